import { once } from 'node:events';
import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import type { FastifyReply } from 'fastify';
import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
} from 'graphql';
import { EventsExpired, type FeedEvent } from '../../events/feed.ts';
import { EVENT_STREAM_TYPE, HEARTBEAT, toStreamEvent } from '../../runtime/event-stream.ts';
import type { HttpApp } from '../../runtime/http-app.ts';
import { OVERLOADED, SHUTTING_DOWN } from '../../runtime/http-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { onResponseClose } from '../../runtime/on-response-close.ts';
import { sendRefusal } from '../../runtime/send-refusal.ts';
import { beginStream } from '../../runtime/stream-writer.ts';
import type { CallStats } from '../../telemetry/call-stats.ts';
import { createDecisionCalls, type DecisionCalls } from './decision-calls.ts';
import type { ProviderEvents } from './open-events.ts';
import { PLACE_HEADER } from './protocol/options.ts';
import { createEvents } from './subscribe-to.ts';

/** A valid subscription of a request. */
export type SubscriptionOperation = {
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
};

/** Keeps Apollo Server from executing subscriptions, and tells their request of them. */
export const subscriptionPlugin: ApolloServerPlugin<
  BaseContext & { onSubscription?: ((operation: SubscriptionOperation) => void) | undefined }
> = {
  requestDidStart: async () => ({
    responseForOperation: async ({ operation, document, operationName, request, response, contextValue }) => {
      if (operation.operation !== 'subscription') return null;
      const { onSubscription } = contextValue;
      if (!onSubscription) {
        throw new GraphQLError('The response to a subscription is a stream. Accept text/event-stream.', {
          extensions: { code: 'BAD_REQUEST', http: { status: 406 } },
        });
      }
      onSubscription({
        document,
        operationName: operationName ?? undefined,
        variables: request.variables ?? {},
      });
      return { http: response.http, body: { kind: 'single', singleResult: {} } };
    },
  }),
};

/** A request's subscription, and what it needs of its subgraph. */
export type ServedSubscription = {
  readonly schema: GraphQLSchema;
  readonly operation: SubscriptionOperation;
  /** The events of the subgraph's provider. Undefined if they are not received. */
  readonly events: ProviderEvents | undefined;
  /** The place after which to begin. Default: now. */
  readonly after: string | undefined;
  /** The address of the customer whose data alone the subscriber may see. */
  readonly customerEmail: string | undefined;
  /** Creates the context of the request itself, of an event, or of the decision whether an event is wanted. */
  readonly createContext: (purpose: 'request' | 'event' | 'decision') => ServedContext;
  /** Returns the extensions of a result that was executed with a context, after decisions that have cost these calls. */
  readonly extensionsOf: (context: object, decisions: ReturnType<DecisionCalls['take']>) => object | undefined;
  readonly toPublic: (error: GraphQLError) => GraphQLFormattedError;
};

/** The context of an execution, with its call statistics if they are reported. */
type ServedContext = object & { readonly telemetry: { readonly callStats?: CallStats | undefined } };

/** Time between heartbeats, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/** Maximum number of open streams. Equal subscriptions of a gateway's clients share one. */
const MAX_STREAMS = 10_000;

export type SubscriptionStreams = {
  /** Responds with the events of a subscription. Resolves when the stream has been opened, or refused. */
  readonly respond: (reply: FastifyReply, subscription: ServedSubscription) => Promise<FastifyReply>;
  /** Ends all streams. Gateways open them again elsewhere. */
  readonly close: () => void;
};

/** Creates the streams of a process that serves subgraphs. */
export const createSubscriptionStreams = (log: Log, streaming: HttpApp['streaming']): SubscriptionStreams => {
  const open = new Set<AbortController>();
  let isClosed = false;

  const respond = async (reply: FastifyReply, subscription: ServedSubscription): Promise<FastifyReply> => {
    const { schema, operation, events, after, customerEmail, createContext, toPublic } = subscription;
    const { document, operationName, variables } = operation;
    if (isClosed) return sendRefusal(reply, SHUTTING_DOWN);
    if (open.size >= MAX_STREAMS) return sendRefusal(reply, OVERLOADED);
    const ended = new AbortController();
    const place = after ?? events?.place();
    const decisions = createDecisionCalls();
    const source = await createSourceEventStream({
      schema,
      document,
      operationName,
      variableValues: variables,
      contextValue: {
        ...createContext('request'),
        events:
          events &&
          createEvents({
            customerEmail,
            select: (topic) => events.select({ topic, after: place, signal: ended.signal }),
            createContext: () => {
              const context = createContext('decision');
              const { callStats } = context.telemetry;
              return { context, release: () => callStats && decisions.add(callStats) };
            },
          }),
      },
    });
    if (!(Symbol.asyncIterator in source)) {
      return reply.code(400).send({ errors: (source.errors ?? []).map(toPublic) });
    }
    streaming(reply.raw);
    // The request is kept for as long as its stream.
    reply.request.body = undefined;
    const raw = beginStream(reply, {
      'content-type': EVENT_STREAM_TYPE,
      ...(place !== undefined && { [PLACE_HEADER]: place }),
    });
    raw.write(HEARTBEAT);
    open.add(ended);
    const heartbeats = setInterval(() => {
      if (!raw.writableNeedDrain) raw.write(HEARTBEAT);
    }, HEARTBEAT_MS).unref();
    onResponseClose(raw, () => {
      clearInterval(heartbeats);
      open.delete(ended);
      ended.abort();
    });
    void write(source as AsyncIterable<FeedEvent>, raw, { ...subscription, decisions, ended: ended.signal, log });
    return reply;
  };

  return {
    respond,
    close: () => {
      isClosed = true;
      for (const one of open) one.abort(LOST);
    },
  };
};

const LOST = 'SUBSCRIPTION_LOST';
const EVENTS_EXPIRED = 'EVENTS_EXPIRED';

/** Writes the result of each event. A reader that is slow is waited for: its events stay in the feed. */
const write = async (
  events: AsyncIterable<FeedEvent>,
  raw: FastifyReply['raw'],
  {
    schema,
    operation,
    createContext,
    extensionsOf,
    toPublic,
    decisions,
    ended,
    log,
  }: ServedSubscription & { readonly decisions: DecisionCalls; readonly ended: AbortSignal; readonly log: Log },
): Promise<void> => {
  let code: unknown;
  try {
    for await (const event of events) {
      const contextValue = createContext('event');
      const { data, errors }: ExecutionResult = await execute({
        schema,
        document: operation.document,
        operationName: operation.operationName,
        variableValues: operation.variables,
        rootValue: event,
        contextValue,
      });
      const result = {
        data,
        ...(errors && { errors: errors.map(toPublic) }),
        extensions: extensionsOf(contextValue, decisions.take()),
      };
      if (!raw.write(toStreamEvent('next', JSON.stringify(result), event.eventId))) {
        await once(raw, 'drain', { signal: ended });
      }
    }
    code = ended.reason === LOST ? LOST : undefined;
  } catch (error) {
    const isExpired = error instanceof EventsExpired;
    code = isExpired ? EVENTS_EXPIRED : LOST;
    // The reader has left, or the process is stopping.
    if (!isExpired && !ended.aborted) log.error({ err: error }, 'A subscription has failed.');
  }
  const last = { errors: [{ message: 'The subscription has ended.', extensions: { code } }] };
  raw.end(`${code === undefined ? '' : toStreamEvent('next', JSON.stringify(last))}${toStreamEvent('complete')}`);
};
