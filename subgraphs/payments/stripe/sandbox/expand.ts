import { invalid } from './errors.ts';
import { toPaymentMethod } from './objects.ts';
import type { StripeState } from './state.ts';

type Json = Record<string, unknown>;

/** The kind of objects that the account has none of. */
const NONE = '';

/**
 * The expandable fields by kind of object, each with the kind of its expanded value: references to other objects, and fields
 * that are included only when expanded. The kind of a list is `list:` and the kind of its items.
 */
const EXPANDABLE: ReadonlyMap<unknown, ReadonlyMap<string, string>> = new Map(
  Object.entries({
    customer: {
      cash_balance: NONE,
      default_source: NONE,
      sources: NONE,
      subscriptions: NONE,
      tax_ids: NONE,
      test_clock: NONE,
    },
    payment_intent: {
      application: NONE,
      customer: 'customer',
      latest_charge: 'charge',
      on_behalf_of: NONE,
      payment_method: 'payment_method',
      review: NONE,
    },
    charge: {
      application: NONE,
      application_fee: NONE,
      balance_transaction: NONE,
      customer: 'customer',
      failure_balance_transaction: NONE,
      on_behalf_of: NONE,
      payment_intent: 'payment_intent',
      refunds: 'list:refund',
      review: NONE,
      source_transfer: NONE,
    },
    refund: {
      balance_transaction: NONE,
      charge: 'charge',
      customer: 'customer',
      payment_intent: 'payment_intent',
      payment_method: 'payment_method',
      source_transfer_reversal: NONE,
      transfer_reversal: NONE,
    },
    invoice: {
      application: NONE,
      customer: 'customer',
      default_payment_method: 'payment_method',
      default_source: NONE,
      discounts: NONE,
      latest_revision: NONE,
      lines: 'list:line_item',
      on_behalf_of: NONE,
      payments: NONE,
      test_clock: NONE,
    },
    payment_method: { customer: 'customer' },
    line_item: { discounts: NONE, subscription: NONE },
  }).map(([kind, fields]) => [kind, new Map(Object.entries(fields))]),
);

/** Fields that are always included: paths may pass through them, but not end in them. */
const PARTS: readonly (string | undefined)[] = ['data', 'lines'];

const kindAt = (kind: string, step: string): string | undefined => {
  const [container, item] = kind.split(':');
  if (item === undefined) return EXPANDABLE.get(kind)?.get(step);
  if (step === 'data') return item;
  return container === 'search_result' && step === 'total_count' ? NONE : undefined;
};

/** Rejects paths that cannot be expanded in a response of this kind, before the request is carried out. */
export const checkPaths = (kind: string, paths: readonly string[]): void => {
  for (const path of paths) {
    const steps = path.split('.');
    if (steps.filter((step) => step !== 'data').length > 4) {
      throw invalid('You cannot expand more than 4 levels of a property.', { param: 'expand' });
    }
    let reached: string | undefined = kind;
    for (const step of steps) reached = reached && kindAt(reached, step);
    if (reached === undefined || PARTS.includes(steps.at(-1))) {
      throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
    }
  }
};

/**
 * Returns a copy with references replaced by their objects along paths such as `data.latest_charge.refunds`, which
 * `checkPaths` has accepted.
 */
export const expand = (object: object, paths: readonly string[], state: StripeState): Json => {
  const copy = structuredClone(object) as Json;
  for (const path of paths) expandPath(copy, path.split('.'), state);
  return copy;
};

const expandPath = (target: unknown, [step, ...rest]: readonly string[], state: StripeState): void => {
  if (step === undefined || !isObject(target)) return;
  if (EXPANDABLE.get(target['object'])?.has(step)) target[step] = resolve(target, step, state);
  const reached = target[step];
  for (const next of Array.isArray(reached) ? reached : [reached]) expandPath(next, rest, state);
};

const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object';

const resolve = (target: Json, step: string, state: StripeState): unknown => {
  const value = target[step];
  if (typeof value === 'string') return find(value, target, state);
  if (value !== undefined) return value;
  if (target['object'] === 'charge' && step === 'refunds') return refundsOf(target, state);
  return step === 'cash_balance' ? null : emptyList(target, step);
};

const find = (id: string, target: Json, { byId }: StripeState): unknown =>
  id.startsWith('pm_') ? toPaymentMethod(id, target) : structuredClone(byId.get(id) ?? id);

const PLURALS: Readonly<Record<string, string>> = { customer: 'customers', invoice: 'invoices' };

// The company's account has none of these.
const emptyList = ({ object, id }: Json, step: string): unknown => ({
  object: 'list',
  data: [],
  has_more: false,
  url: `/v1/${PLURALS[String(object)]}/${id}/${step}`,
});

// Stripe includes the latest ten.
const refundsOf = (charge: Json, { refunds }: StripeState): unknown => {
  const all = refunds.filter((refund) => refund.charge === charge['id']);
  return structuredClone({
    object: 'list',
    data: all.slice(0, 10),
    has_more: all.length > 10,
    url: `/v1/charges/${charge['id']}/refunds`,
  });
};
