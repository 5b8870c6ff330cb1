import { isDeepStrictEqual } from 'node:util';
import type { AccessRule } from '../auth/access-rules.ts';
import type { Estimate } from '../cost/estimate.ts';
import type { LiveSource } from '../subscriptions/live-source.ts';
import { type ClientOperation, nameOf } from './client-operation.ts';
import { toFailure } from './failed-execution.ts';
import type { LiveOptions } from './live-directive.ts';
import type { ExecutionResponse, Program, RequestVariables } from './program.ts';
import type { GraphAuthorization, RequestDeadline } from './request-rights.ts';
import type { SubgraphEvent, SubgraphResponse, SubgraphSubscription, SubscribeOptions } from './subgraph-request.ts';

/** An operation of a request that is ready to be executed. */
export type SelectedOperation<Context> = {
  readonly operation: ClientOperation;
  readonly program: Program<Context>;
  readonly estimate: Estimate;
  readonly variables: RequestVariables;
  readonly rules: readonly AccessRule[];
  /** The rules that the request does not satisfy. Undefined if it may read everything. */
  readonly unmet: readonly AccessRule[] | undefined;
};

/** A subscription of a version of the graph, which has not begun. */
export type GraphSubscription<Context> = {
  /** Equal for subscriptions with equal responses to every event, if they also have equal identities. */
  readonly key: string;
  /** Its document, which is kept while it is open. Equal documents have equal hashes. */
  readonly document: { readonly hash: string; readonly characters: number };
  /** Begins to receive events. Never rejects. */
  readonly open: (options: SubscribeOptions<Context>) => Promise<SubgraphSubscription<Context>>;
  /** Set for a live query: its events are the times at which its answer may have changed. */
  readonly live?: LiveOptions | undefined;
  /** Whether what subscribers may read depends on who they are. */
  readonly hasRules: boolean;
  /** Whether a subscriber may still read what it could when it subscribed, no more and no less. */
  readonly isAuthorized: (context: Context) => Promise<boolean>;
  /** Returns the response to an event. */
  readonly execute: (
    event: SubgraphEvent<Context>,
    context: Context,
    deadline: RequestDeadline,
  ) => Promise<ExecutionResponse>;
};

/** What live queries need to know of changes. */
export type LiveQueries<Context> = {
  /** Creates the source of a query that reads from these subgraphs. Undefined if the changes of one of them are not known. */
  readonly createSource: (subgraphs: readonly string[]) => LiveSource | undefined;
  /** Returns the tags of what was read with a context. */
  readonly readsOf: (context: Context) => ReadonlySet<string>;
};

/** Prepares operations whose response is a stream. */
export type SubscriptionPreparer<Context> = {
  /**
   * Prepares a subscription. Returns a response with errors if it cannot be opened. `signal` ends the preparation.
   */
  readonly subscribe: (
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    signal: AbortSignal | undefined,
  ) => Promise<GraphSubscription<Context> | ExecutionResponse>;
  /** Prepares a live query. Its answer is executed again when something that it has read is invalidated. */
  readonly subscribeLive: (
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    options: { readonly live: LiveOptions; readonly signal: AbortSignal | undefined },
  ) => Promise<GraphSubscription<Context> | ExecutionResponse>;
};

type SubscriptionPreparerOptions<Context> = {
  /** Reads a request's variables, and selects its program. Returns a response if there is nothing to execute. */
  readonly select: (
    operation: ClientOperation,
    raw: Readonly<Record<string, unknown>>,
    context: Context,
    options: Pick<RequestDeadline, 'signal'>,
  ) => Promise<SelectedOperation<Context> | ExecutionResponse>;
  /** Executes a selected operation within its budgets. */
  readonly carryOut: (
    selected: SelectedOperation<Context>,
    context: Context,
    options: { readonly deadline: RequestDeadline; readonly event?: () => Promise<SubgraphResponse> },
  ) => Promise<ExecutionResponse>;
  readonly findUnmet: GraphAuthorization<Context>['findUnmet'] | undefined;
  readonly live: LiveQueries<Context> | undefined;
};

const NO_RULES: readonly AccessRule[] = [];

/** The response to a subscription of a subgraph that sends no events. */
const WITHOUT_EVENTS: ExecutionResponse = {
  errors: [
    {
      message: 'The service of this subscription sends no events to the gateway.',
      extensions: { code: 'SUBSCRIPTIONS_UNAVAILABLE' },
    },
  ],
  stale: [],
};

/** Creates the preparer of a version of the graph. */
export const createSubscriptionPreparer = <Context>({
  select,
  carryOut,
  findUnmet,
  live: liveQueries,
}: SubscriptionPreparerOptions<Context>): SubscriptionPreparer<Context> => {
  /** Whether a subscriber may still read what it could when it subscribed. */
  const authorized = ({
    operation,
    rules,
    unmet = NO_RULES,
  }: SelectedOperation<Context>): Pick<GraphSubscription<Context>, 'hasRules' | 'isAuthorized'> => ({
    hasRules: rules.length > 0,
    isAuthorized: async (context) => {
      const found = rules.length > 0 ? await findUnmet?.(rules, nameOf(operation), context) : undefined;
      return isDeepStrictEqual(found ?? NO_RULES, unmet);
    },
  });

  return {
    subscribe: async (operation, raw, context, signal) => {
      try {
        const selected = await select(operation, raw, context, { signal });
        if (!('program' in selected)) return selected;
        const { program, variables, unmet = NO_RULES } = selected;
        const { subscribe } = program;
        if (!subscribe) return WITHOUT_EVENTS;
        return {
          ...authorized(selected),
          key: keyOf(operation, variables, unmet),
          document: documentOf(operation),
          open: (options) => subscribe(variables, context, options),
          execute: async (event, eventContext, deadline) => {
            try {
              // Read within the budgets.
              return await carryOut(selected, eventContext, { deadline, event: () => event.respond(eventContext) });
            } catch (error) {
              return toFailure(error, deadline.signal);
            }
          },
        };
      } catch (error) {
        return toFailure(error, signal);
      }
    },
    subscribeLive: async (operation, raw, context, { live, signal }) => {
      try {
        const selected = await select(operation, raw, context, { signal });
        if (!('program' in selected)) return selected;
        const { program, variables, unmet = NO_RULES } = selected;
        const source = liveQueries?.createSource(program.subgraphs);
        if (!source) return WITHOUT_EVENTS;
        return {
          ...authorized(selected),
          live,
          key: JSON.stringify(['live', live, keyOf(operation, variables, unmet)]),
          document: documentOf(operation),
          open: async ({ signal: ended }) => ({ place: undefined, events: toEvents(source.changes(ended)) }),
          execute: async (_event, eventContext, deadline) => {
            const response = await carryOut(selected, eventContext, { deadline }).catch((error: unknown) =>
              toFailure(error, deadline.signal),
            );
            const { errors, stale } = response;
            source.executed(liveQueries?.readsOf(eventContext) ?? new Set(), errors.length > 0 || stale.length > 0);
            return response;
          },
        };
      } catch (error) {
        return toFailure(error, signal);
      }
    },
  };
};

const keyOf = (
  { operationName, hash }: ClientOperation,
  { coerced }: RequestVariables,
  unmet: readonly AccessRule[],
): string => JSON.stringify([operationName, hash, coerced, unmet.map(({ key }) => key)]);

const documentOf = ({ document, hash }: ClientOperation): GraphSubscription<never>['document'] => ({
  hash,
  characters: document.loc?.source.body.length ?? 0,
});

/** The events of a live query, which have nothing to tell but their time. */
async function* toEvents<Context>(changes: AsyncIterable<undefined>): AsyncGenerator<SubgraphEvent<Context>, void> {
  for await (const _change of changes) {
    yield { eventId: undefined, receivedAt: undefined, respond: async () => ({ data: null }) };
  }
}
