import type { GraphQLFormattedError } from 'graphql';
import type { Log } from '../../runtime/log.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { GatewayConfig } from '../config.ts';
import { describeCause } from '../subscriptions/cause.ts';
import { nextAnswer } from '../subscriptions/live-message.ts';
import { createSubscriptions, type OpenSubscription, type Subscriptions } from '../subscriptions/registry.ts';
import type { GraphPipeline } from './apollo.ts';
import type { RequestContext } from './context.ts';
import type { RequestContexts } from './request-contexts.ts';

export type GatewaySubscriptionsOptions = Pick<GraphPipeline, 'toClientErrors' | 'announce'> & {
  readonly config: Pick<GatewayConfig, 'subscriptions'>;
  readonly contexts: RequestContexts;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

/** Why a subscription was not opened, and the HTTP status of its response. */
export type RefusedSubscription = { readonly errors: readonly GraphQLFormattedError[]; readonly status: number };

export type GatewaySubscriptions = Pick<Subscriptions<RequestContext>, 'close'> & {
  /** Adds a subscriber, as `Subscriptions.add` does. */
  readonly add: (
    options: Parameters<Subscriptions<RequestContext>['add']>[0],
  ) => Promise<OpenSubscription | RefusedSubscription>;
};

/** Creates the subscriptions of a gateway, over all transports. */
export const createGatewaySubscriptions = ({
  config: { subscriptions: limits },
  contexts,
  telemetry,
  log,
  toClientErrors,
  announce,
}: GatewaySubscriptionsOptions): GatewaySubscriptions => {
  const { add, state, close } = createSubscriptions<RequestContext>({
    limits,
    retain: contexts.ofSubscriber,
    identityOf: ({ identity }) => identity,
    clientIdOf: ({ client }) => client.id,
    // Subgraphs over HTTP receive these headers, and may respond by them.
    audienceOf: ({ headers }) => headers,
    createEventContext: contexts.ofEvent,
    toClientResponse: ({ data, errors, stale }) => ({
      data,
      errors: errors.length > 0 ? toClientErrors(errors) : undefined,
      stale,
    }),
    onResponse: announce,
    toMessage: ({ eventId, cause }, response, live) => {
      const message = { eventId, ...response, cause: cause && describeCause(cause) };
      return live ? nextAnswer(live.previous, message, live.options) : message;
    },
    onEvent: ({ receivedAt }, subscribers) =>
      telemetry.emit({
        type: 'subscription.event',
        subscribers,
        lagMs: receivedAt === undefined ? undefined : Math.max(0, Date.now() - receivedAt),
      }),
    log,
  });
  telemetry.describe('subscriptions', state);
  return {
    add: async (options) => {
      const added = await add(options);
      if ('leave' in added) {
        announce(options.context, {});
        return added;
      }
      const errors = toClientErrors(added.errors);
      announce(options.context, { errors });
      return { errors: errors.map(withoutHttp), status: statusOf(errors[0]) };
    },
    close,
  };
};

type HttpExtension = { readonly http?: { readonly status?: number } | undefined };

const statusOf = (error: GraphQLFormattedError | undefined): number =>
  (error?.extensions as HttpExtension | undefined)?.http?.status ?? 400;

/** Removes the status from an error, as Apollo Server does. */
const withoutHttp = ({ extensions: { http: _, ...extensions } = {}, ...error }: GraphQLFormattedError) => ({
  ...error,
  extensions,
});
