import type { GraphQLFormattedError } from 'graphql';
import type { Log } from '../../runtime/log.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { GatewayConfig } from '../config.ts';
import type { ExecutionResponse } from '../execution/program.ts';
import { describeCause } from '../subscriptions/cause.ts';
import { nextAnswer } from '../subscriptions/live-message.ts';
import { createSubscriptions, type Subscriptions } from '../subscriptions/registry.ts';
import type { RequestContext } from './context.ts';
import type { RequestContexts } from './request-contexts.ts';

export type GatewaySubscriptionsOptions = {
  readonly config: Pick<GatewayConfig, 'subscriptions'>;
  readonly contexts: RequestContexts;
  readonly telemetry: Telemetry;
  readonly log: Log;
  readonly toClientErrors: (errors: ExecutionResponse['errors']) => GraphQLFormattedError[];
};

/** Creates the subscriptions of a gateway, over all transports. */
export const createGatewaySubscriptions = ({
  config: { subscriptions: limits },
  contexts,
  telemetry,
  log,
  toClientErrors,
}: GatewaySubscriptionsOptions): Subscriptions<RequestContext> => {
  const subscriptions = createSubscriptions<RequestContext>({
    limits,
    retain: contexts.ofSubscriber,
    identityOf: ({ identity }) => identity,
    clientIdOf: ({ client }) => client.id,
    // Subgraphs over HTTP receive these headers, and may respond by them.
    audienceOf: ({ headers }) => headers,
    createEventContext: contexts.ofEvent,
    toMessage: ({ eventId, cause }, { data, errors, stale }, live) => {
      const message = {
        eventId,
        data,
        errors: errors.length > 0 ? toClientErrors(errors) : undefined,
        stale,
        cause: cause && describeCause(cause),
      };
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
  telemetry.describe('subscriptions', subscriptions.state);
  return subscriptions;
};
