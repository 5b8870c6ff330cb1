import { createSourceEventStream, GraphQLError } from 'graphql';
import type { FeedEvent, PublishedEffect } from '../../events/feed.ts';
import type { AnyChanges } from '../../events/merge-changes.ts';
import { type Log, withTraceId } from '../../runtime/log.ts';
import { addRows, createDecisionCalls } from '../../subgraphs/kit/decision-calls.ts';
import { toPublicError } from '../../subgraphs/kit/errors.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { ProviderEvents } from '../../subgraphs/kit/open-events.ts';
import type { Subgraph } from '../../subgraphs/kit/subgraph.ts';
import { createEvents } from '../../subgraphs/kit/subscribe-to.ts';
import type { EventCause, SubgraphEvent, SubgraphResponse } from '../execution/subgraph-request.ts';
import type { RequestContext } from '../http/context.ts';
import { compileOperation } from './subgraph-executor/executor.ts';
import type { Transport } from './transport.ts';

export type LocalTransportOptions = {
  readonly log: Log;
  /** Returns the events of a subgraph's provider. Undefined if they are not received. */
  readonly eventsOf?: ((subgraph: string) => ProviderEvents | undefined) | undefined;
};

/** Creates the transport to an in-process subgraph. Its schema is executed directly, without serialization. */
export const createLocalTransport = (subgraph: Subgraph, { log, eventsOf }: LocalTransportOptions): Transport => {
  const toPublicFor =
    ({ traceId, identity }: RequestContext) =>
    (error: GraphQLError) =>
      toPublicError(error, withTraceId(log, traceId), subgraph.credentialsOf?.(identity));

  const respond = async (
    run: ReturnType<typeof compileOperation>,
    variables: Readonly<Record<string, unknown>>,
    context: RequestContext,
    rootValue?: unknown,
  ): Promise<SubgraphResponse> => {
    const stale: StaleNote[] = [];
    const toPublic = toPublicFor(context);
    try {
      const { data, errors } = await run(variables, { ...context.contextOf(subgraph), stale }, rootValue);
      return { data, errors: errors?.map(toPublic), stale };
    } catch (error) {
      return { data: null, errors: [toPublic(new GraphQLError('', { originalError: error as Error }))] };
    }
  };

  return {
    encoding: 'object',
    prepare: (operation) => {
      const run = compileOperation(subgraph.schema, operation.document);
      return ({ variables, representations }, context) => {
        const allVariables: Record<string, unknown> = { ...variables };
        for (const { variable, values } of representations) allVariables[variable] = values;
        return respond(run, allVariables, context);
      };
    },
    prepareSubscription: ({ document }) => {
      const run = compileOperation(subgraph.schema, document);
      return async ({ variables }, context, { after, signal, createContext }) => {
        const own = eventsOf?.(subgraph.name);
        const place = after ?? own?.place();
        const decisions = createDecisionCalls();
        const subscribed = await createSourceEventStream({
          schema: subgraph.schema,
          document,
          variableValues: variables,
          contextValue: {
            ...context.contextOf(subgraph),
            events:
              own &&
              createEvents({
                customerEmail: context.identity.customerEmail,
                select: (topic) => own.select({ topic, after: place, signal }),
                watch: own.watch,
                createContext: () => {
                  const { context: decision, release } = createContext();
                  const identity = { ...context.identity, customerEmail: undefined };
                  return {
                    context: subgraph.createContext(decision.call, identity),
                    release: () => {
                      decisions.add(decision.telemetry.callStats);
                      release();
                    },
                  };
                },
              }),
          },
        });
        if (!(Symbol.asyncIterator in subscribed)) return (subscribed.errors ?? []).map(toPublicFor(context));
        const events = toSubgraphEvents(subscribed as AsyncIterable<FeedEvent>, (event, eventContext) => {
          addRows(eventContext.decisionCalls, decisions.take());
          return respond(run, variables, eventContext, event);
        });
        return { place, events };
      };
    },
    close: subgraph.close,
  };
};

async function* toSubgraphEvents(
  events: AsyncIterable<FeedEvent>,
  respond: (event: FeedEvent, context: RequestContext) => Promise<SubgraphResponse>,
): AsyncGenerator<SubgraphEvent<RequestContext>, void> {
  for await (const event of events) {
    const { eventId, receivedAt, effect } = event;
    yield { eventId, receivedAt, cause: toCause(effect), respond: (context) => respond(event, context) };
  }
}

const toCause = ({ provider, type, object, receivedAt, invalidatedAt, changes }: PublishedEffect): EventCause => ({
  provider,
  type,
  object,
  receivedAt,
  invalidatedAt,
  invalidated: () =>
    Object.entries(JSON.parse(changes) as AnyChanges).flatMap(([read, scopes = []]) =>
      scopes.length > 0 ? [{ read, scopes: scopes === 'all' ? scopes : scopes.length }] : [],
    ),
});
