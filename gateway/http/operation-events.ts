import type { ApolloServerPlugin } from '@apollo/server';
import { monotonicNow } from '../../runtime/clock.ts';
import { networkOf } from '../../runtime/network.ts';
import { isDisconnected } from '../../runtime/race-abort.ts';
import { outcomeOf } from '../../subgraphs/kit/outcome.ts';
import type { OperationEvent } from '../../telemetry/events.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { clientNameOf } from '../cost/client.ts';
import { countCalls } from '../cost/count-calls.ts';
import type { RequestContext } from './context.ts';

/** Announces each operation once its response is known. `namesIssuers`: whether names of clients have their issuers. */
export const createOperationEventsPlugin = (
  { emit, hears }: Telemetry,
  { namesIssuers }: { readonly namesIssuers: boolean },
): ApolloServerPlugin<RequestContext> => ({
  requestDidStart: async ({ contextValue: { requestTrace, explain } }) => {
    if (!explain) requestTrace?.begin();
    return {
      willSendResponse: async ({ response: { body }, contextValue, operation, operationName, queryHash }) => {
        contextValue.onOperation();
        if (body.kind !== 'single' || contextValue.explain) return;
        if (!contextValue.requestTrace && !hears('operation')) return;
        const { data, errors } = body.singleResult;
        const { arrivedAt, identity, address, options, stale, telemetry, call, traceId } = contextValue;
        emit(
          {
            type: 'operation',
            operationName: operation && (operationName ?? undefined),
            kind: operation?.operation,
            hash: queryHash,
            traceId,
            client: { name: clientNameOf(identity, namesIssuers), network: networkOf(address()) },
            ...outcomeOf(data, errors),
            // Whatever became of it, nobody was there to get it.
            ...(errors && isDisconnected(options.signal) && { codes: DISCONNECTED }),
            stale: stale.length,
            calls: countCalls(telemetry.callStats),
            callStats: telemetry.callStats.rows(),
            startedAt: arrivedAt,
            durationMs: monotonicNow() - arrivedAt,
          } satisfies OperationEvent,
          call.requestStats,
        );
      },
    };
  },
});

/** The codes of an operation whose client did not wait for the response. */
const DISCONNECTED: readonly string[] = ['UPSTREAM_CANCELLED'];
