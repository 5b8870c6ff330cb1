import type { ApolloServerPlugin } from '@apollo/server';
import type { GraphQLFormattedError } from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { networkOf } from '../../runtime/network.ts';
import { isDisconnected } from '../../runtime/race-abort.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import { outcomeOf } from '../../subgraphs/kit/outcome.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { clientNameOf } from '../cost/client.ts';
import { countCalls } from '../cost/count-calls.ts';
import type { NamedOperation, RequestContext } from './context.ts';

export type OperationEvents = {
  /** Announces each operation once its response is known, except those whose response is a stream. */
  readonly plugin: ApolloServerPlugin<RequestContext>;
  /** Announces that a stream has begun or was refused, or the response to one of its events. */
  readonly announce: (
    context: RequestContext,
    response: {
      readonly data?: unknown;
      readonly errors?: readonly GraphQLFormattedError[] | undefined;
      /** Default: those of the context. */
      readonly stale?: readonly StaleNote[] | undefined;
    },
  ) => void;
};

/** Creates the announcements of a gateway's operations. `namesIssuers`: whether names of clients have their issuers. */
export const createOperationEvents = (
  { emit, hears }: Telemetry,
  { namesIssuers }: { readonly namesIssuers: boolean },
): OperationEvents => {
  const announce: OperationEvents['announce'] = (context, { data, errors, stale = context.stale }) => {
    const { arrivedAt, identity, address, options, telemetry, decisionCalls, call, traceId, requestTrace, operation } =
      context;
    const calls = countCalls(telemetry.callStats);
    for (const [subgraph, count] of countCalls(decisionCalls)) calls.set(subgraph, count + (calls.get(subgraph) ?? 0));
    if (!requestTrace && !hears('operation')) return;
    emit(
      {
        type: 'operation',
        operationName: operation.operationName,
        kind: operation.kind,
        hash: operation.hash,
        traceId,
        client: { name: clientNameOf(identity, namesIssuers), network: networkOf(address()) },
        ...outcomeOf(data, errors),
        // Whatever became of it, nobody was there to get it.
        ...(errors && isDisconnected(options.signal) && { codes: DISCONNECTED }),
        stale: stale.length,
        calls,
        callStats: [...telemetry.callStats.rows(), ...decisionCalls.rows()],
        startedAt: arrivedAt,
        durationMs: monotonicNow() - arrivedAt,
      },
      call.requestStats,
    );
  };
  const plugin: ApolloServerPlugin<RequestContext> = {
    requestDidStart: async ({ contextValue: { requestTrace, explain } }) => {
      if (!explain) requestTrace?.begin();
      return {
        willSendResponse: async ({ response: { body }, contextValue, operation, operationName, queryHash }) => {
          contextValue.onOperation();
          if (body.kind !== 'single' || contextValue.explain) return;
          const { data, errors } = body.singleResult;
          Object.assign(contextValue.operation, {
            operationName: operation && (operationName ?? undefined),
            kind: operation?.operation,
            hash: queryHash,
          } satisfies NamedOperation);
          // Without either, it is a stream, which has not begun.
          if (data !== undefined || errors) announce(contextValue, { data, errors });
        },
      };
    },
  };
  return { plugin, announce };
};

/** The codes of an operation whose client did not wait for the response. */
const DISCONNECTED: readonly string[] = ['UPSTREAM_CANCELLED'];
