import type { ApolloServerPlugin } from '@apollo/server';
import { monotonicNow } from '../../runtime/clock.ts';
import { networkOf } from '../../runtime/network.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { outcomeOf } from '../../subgraphs/kit/outcome.ts';
import type { OperationEvent } from '../../telemetry/events.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { isNamed } from '../cost/client.ts';
import type { RequestContext } from './context.ts';

/** Announces each operation once its response is known. */
export const createOperationEventsPlugin = ({ emit }: Telemetry): ApolloServerPlugin<RequestContext> => ({
  requestDidStart: async ({ contextValue: { requestTrace, explain } }) => {
    if (!explain) requestTrace?.begin();
    return {
      willSendResponse: async ({ response: { body }, contextValue, operation, operationName, queryHash }) => {
        if (body.kind !== 'single' || contextValue.explain) return;
        const { data, errors } = body.singleResult;
        const { arrivedAt, client, identity, address, stale, telemetry, call, traceId } = contextValue;
        emit(
          {
            type: 'operation',
            operationName: operation && (operationName ?? undefined),
            kind: operation?.operation,
            hash: queryHash,
            traceId,
            client: { id: client.id, name: nameOf(identity), network: networkOf(address()) },
            ...outcomeOf(data, errors),
            stale: stale.length,
            calls: telemetry.callStats.rows(),
            startedAt: arrivedAt,
            durationMs: monotonicNow() - arrivedAt,
          } satisfies OperationEvent,
          call.requestStats,
        );
      },
    };
  },
});

/** Maximum length of a client's name. */
const MAX_NAME_CHARS = 200;

/** Returns how a client authenticated and its subject. */
const nameOf = (identity: Identity): string => {
  const { method, subject, tenant } = identity;
  if (!isNamed(identity)) return 'anonymous';
  return `${method}:${tenant === undefined ? '' : `${tenant}/`}${subject}`.slice(0, MAX_NAME_CHARS);
};
