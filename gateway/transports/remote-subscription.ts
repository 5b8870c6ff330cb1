import { setTimeout as pause } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { type Client, createClient, type SubscribePayload } from 'graphql-ws';
import { WebSocket } from 'ws';
import { UpstreamError } from '../../connectors/errors.ts';
import { EventsExpired } from '../../events/feed.ts';
import { PLACE_HEADER } from '../../subgraphs/kit/protocol/options.ts';
import type { RemoteSubgraph } from '../config.ts';
import { isData } from '../execution/data.ts';
import {
  type SubgraphError,
  type SubgraphEvent,
  type SubgraphRequest,
  type SubgraphResponse,
  type SubgraphSubscription,
  type SubscribeOptions,
  SubscriptionLost,
} from '../execution/subgraph-request.ts';
import type { RequestContext } from '../http/context.ts';
import { watchSocket } from '../subscriptions/watch-socket.ts';

/*
 * Subscriptions to a subgraph in another process: as server-sent events (graphql-sse, distinct connections) or over WebSocket
 * (graphql-transport-ws). Each has a connection of its own, because subgraphs may respond by the client's headers. Equal ones of
 * several clients share one: see `gateway/subscriptions`.
 */

export type RemoteSubscriptionOptions = {
  readonly subgraph: Pick<RemoteSubgraph, 'name' | 'url' | 'timeoutMs' | 'socketUrl' | 'heartbeatMs'>;
  /** Whether it is a process of this product, which can continue after an event. */
  readonly isBundled: boolean;
  /** Returns the headers of a request with this body. */
  readonly headersFor: (body: string, context: RequestContext) => Promise<Readonly<Record<string, string>>>;
  /** Reads a GraphQL result, and counts what it reports for the event that it responds to. */
  readonly readResult: (result: Readonly<Record<string, unknown>>, event?: RequestContext) => SubgraphResponse;
  /** Converts a failure to reach the subgraph. */
  readonly toError: (error: UpstreamError, context: RequestContext) => SubgraphError;
};

/** Maximum size of one event, in characters. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024;

/** Delays before a lost stream is opened again, in milliseconds. After the last one, it is given up. */
const RETRY_DELAYS_MS = [100, 500, 1_000, 2_000, 5_000, 10_000, 10_000];

/** The answer for who has missed events of an external subgraph: only our own know what came after one. */
const NOT_CONTINUED: readonly SubgraphError[] = [
  { message: 'This subscription cannot be continued. Begin it anew.', extensions: { code: 'EVENTS_EXPIRED' } },
];

type Received = { readonly id: string | undefined; readonly result: Readonly<Record<string, unknown>> };

/** A stream of results that has begun, or why it has not. */
type Opened = { readonly place: string | undefined; readonly results: AsyncIterable<Received> } | SubgraphResponse;

/** Creates the function that subscribes with a prepared body. */
export const createRemoteSubscription = (
  options: RemoteSubscriptionOptions,
  writeBody: (request: SubgraphRequest) => string,
) => {
  const { subgraph, isBundled, headersFor, readResult, toError } = options;
  const { name, url, timeoutMs, socketUrl, heartbeatMs } = subgraph;

  const unavailable = (why: string, cause?: unknown): UpstreamError =>
    new UpstreamError('UPSTREAM_UNAVAILABLE', name, why, { subgraph: name, operation: `POST ${name}`, cause } as never);

  const openStream = async (
    body: string,
    context: RequestContext,
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<Opened> => {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    let response: Response;
    try {
      response = await fetch(url, {
        method: 'POST',
        headers: {
          ...(await headersFor(body, context)),
          'content-type': 'application/json',
          accept: 'text/event-stream',
          ...(after !== undefined && { 'last-event-id': after }),
        },
        body,
        signal: AbortSignal.any([signal, late.signal]),
        redirect: 'error',
      });
      if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) {
        const read = readJson(await readText(response));
        return read
          ? readResult(read)
          : { data: null, errors: [toError(unavailable(`answered ${response.status}`), context)] };
      }
    } catch (error) {
      return { data: null, errors: [toError(unavailable('cannot be reached', error), context)] };
    } finally {
      clearTimeout(timer);
    }
    return { place: response.headers.get(PLACE_HEADER) ?? undefined, results: readEvents(response.body) };
  };

  const openSocket = (body: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Opened => {
    let socket: WebSocket | undefined;
    class SubgraphSocket extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, { headers, maxPayload: MAX_EVENT_CHARS, handshakeTimeout: timeoutMs });
        socket = this;
        this.once('open', () => watchSocket(this, { heartbeatMs, isPaused: () => this.isPaused }));
      }
    }
    const client = createClient({
      url: socketUrl ?? url,
      webSocketImpl: SubgraphSocket,
      retryAttempts: 0,
      connectionAckWaitTimeout: timeoutMs,
    });
    const results = readSocket(client, JSON.parse(body), {
      signal,
      pause: () => socket?.pause(),
      resume: () => socket?.resume(),
    });
    return { place: undefined, results };
  };

  /** Reads results, and opens the stream again where it can be continued. Throws SubscriptionLost. */
  async function* read(
    first: Exclude<Opened, SubgraphResponse>,
    reopen: (after: string) => Promise<Opened>,
    signal: AbortSignal,
  ): AsyncGenerator<Received, void> {
    let stream = first;
    let last = first.place;
    let attempts = 0;
    for (;;) {
      try {
        for await (const received of stream.results) {
          attempts = 0;
          // The end of a stream, which says why.
          const end = isBundled ? endOf(received) : undefined;
          if (end === 'EVENTS_EXPIRED') throw new EventsExpired();
          if (end !== undefined) throw new SubscriptionLost();
          last = received.id ?? last;
          yield received;
        }
        if (!isBundled) return;
      } catch (error) {
        if (error instanceof EventsExpired || signal.aborted || !isBundled) throw lost(error);
      }
      for (;;) {
        const delayMs = RETRY_DELAYS_MS[attempts];
        if (last === undefined || delayMs === undefined) throw new SubscriptionLost();
        attempts += 1;
        await pause(delayMs, undefined, { signal, ref: false });
        const again = await reopen(last);
        if ('results' in again) {
          stream = again;
          break;
        }
      }
    }
  }

  return async (
    { variables }: Pick<SubgraphRequest, 'variables'>,
    context: RequestContext,
    { after, signal }: SubscribeOptions<RequestContext>,
  ): Promise<SubgraphSubscription<RequestContext>> => {
    if (after !== undefined && !isBundled) return NOT_CONTINUED;
    const body = writeBody({ variables, representations: [] });
    const reopen = (place: string | undefined) => openStream(body, context, place, signal);
    const opened =
      socketUrl === undefined ? await reopen(after) : openSocket(body, await headersFor(body, context), signal);
    if (!('results' in opened)) return opened.errors ?? [];
    return { place: opened.place, events: toEvents(read(opened, reopen, signal), readResult, isBundled) };
  };
};

async function* toEvents(
  received: AsyncIterable<Received>,
  readResult: RemoteSubscriptionOptions['readResult'],
  isBundled: boolean,
): AsyncGenerator<SubgraphEvent<RequestContext>, void> {
  for await (const { id, result } of received) {
    yield {
      eventId: isBundled ? id : undefined,
      receivedAt: undefined,
      // Read for each execution, as each changes the data.
      respond: async (context) => structuredClone(readResult(result, context)),
    };
  }
}

/** Returns the results of server-sent events. Throws if the connection is lost, or a result is none. */
async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Received, void> {
  const events = body
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_CHARS }));
  for await (const { event, data, id } of events) {
    if (event === 'complete') return;
    if (event !== undefined && event !== 'next') continue;
    const result = readJson(data);
    if (!result) throw new SubscriptionLost();
    yield { id, result };
  }
  throw new SubscriptionLost();
}

/** Subscribes over WebSocket, and returns the results. Stops reading from the subgraph while some of them wait. */
const readSocket = (
  client: Client,
  operation: SubscribePayload,
  { signal, pause: stopReading, resume }: { signal: AbortSignal; pause: () => void; resume: () => void },
): AsyncGenerator<Received, void> => {
  const waiting: Received[] = [];
  let end: { readonly error?: unknown } | undefined;
  let wake = (): void => {};
  const finish = (reason: { readonly error?: unknown }): void => {
    end ??= reason;
    wake();
  };
  const unsubscribe = client.subscribe(operation, {
    next: (result) => {
      if (!isData(result)) return;
      waiting.push({ id: undefined, result });
      // Events that have already been received are still parsed. Later ones stay in network buffers or at the subgraph.
      stopReading();
      wake();
    },
    error: (error) => finish({ error }),
    complete: () => finish({}),
  });
  const stop = (): void => {
    unsubscribe();
    // The closing handshake is read, too.
    resume();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  return (async function* () {
    try {
      for (;;) {
        const received = waiting.shift();
        if (received) {
          if (waiting.length === 0) resume();
          yield received;
          continue;
        }
        if (end) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (!('error' in end)) return;
      // The subgraph's errors, with which it ends or refuses the subscription.
      if (!Array.isArray(end.error)) throw lost(end.error);
      yield { id: undefined, result: { data: null, errors: end.error } };
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
      void client.dispose();
    }
  })();
};

/** Reads a body up to the maximum size of an event. */
const readText = async ({ body }: Response): Promise<string> => {
  let text = '';
  if (!body) return text;
  for await (const part of body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
    text += part;
    if (text.length > MAX_EVENT_CHARS) break;
  }
  return text;
};

const lost = (error: unknown): Error =>
  error instanceof EventsExpired || error instanceof SubscriptionLost
    ? error
    : new SubscriptionLost('The stream of a subgraph was lost.', { cause: error });

/** Returns the code with which one of our subgraphs ends a stream, if this is its last message. */
const endOf = ({ result: { data, errors } }: Received): unknown =>
  data === undefined && Array.isArray(errors) ? errors[0]?.extensions?.code : undefined;

const readJson = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isData(value) ? value : undefined;
  } catch {
    return undefined;
  }
};
