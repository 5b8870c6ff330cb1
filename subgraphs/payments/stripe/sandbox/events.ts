import type Stripe from 'stripe';
import type { Context } from './context.ts';

/** The API version of the sandbox's objects. */
export const API_VERSION = '2026-10-28.endive';

/** Records the event of a write: the object as it is now, and for an update the previous values of its changed fields. */
export const record = (
  type: Stripe.Event['type'],
  object: object,
  { state, now, requestId, idempotencyKey }: Context,
  before?: object,
): void => {
  const event: Stripe.EventBase & { readonly type: Stripe.Event['type'] } = {
    id: state.newId('evt'),
    object: 'event',
    api_version: API_VERSION,
    created: Math.floor(now() / 1000),
    data: {
      object: structuredClone(object) as Stripe.Event.Data.Object,
      ...(before && { previous_attributes: before as Stripe.Event.Data.PreviousAttributes }),
    },
    livemode: false,
    pending_webhooks: 0,
    request: { id: requestId, idempotency_key: idempotencyKey ?? null },
    type,
  };
  state.addEvent(event);
};

/** Changes an object and returns the previous values of the changed fields; undefined if nothing changed. */
export const change = <Changed extends object>(object: Changed, fields: Partial<Changed>): object | undefined => {
  const before = Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => {
      const old = (object as Record<string, unknown>)[name];
      return JSON.stringify(old) === JSON.stringify(value) ? [] : [[name, structuredClone(old)]];
    }),
  );
  Object.assign(object, fields);
  return Object.keys(before).length === 0 ? undefined : before;
};
