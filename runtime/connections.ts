import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createByteBudget } from './byte-budget.ts';
import {
  EXPECTATION_FAILED,
  OVERLOADED,
  REQUEST_TIMED_OUT,
  type Refusal,
  refusalOfParserError,
  SHUTTING_DOWN,
  toErrorBody,
  toRawResponse,
} from './http-errors.ts';
import type { HttpLimits } from './http-limits.ts';
import type { Log } from './log.ts';

type HttpRequest = FastifyRequest['raw'];
type HttpResponse = FastifyReply['raw'];

/** One request and its response. In every phase but `working` the peer decides how long it takes. */
type Exchange = {
  readonly connection: Connection;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** When the header had arrived, by `performance.now`. */
  readonly startedAt: number;
  phase: 'receiving' | 'working' | 'sending' | 'over';
};

type Connection = {
  readonly socket: Socket;
  /** In the order of the requests, which is that of the responses too. Several where a client pipelines. */
  readonly exchanges: Set<Exchange>;
  working: number;
};

export type Connections = {
  /** Counts bytes of a request's body that have arrived. */
  readonly received: (response: HttpResponse, bytes: number) => void;
  /** Marks a response as handed over, in whole or as a stream: from here on it waits for the peer. */
  readonly sending: (response: HttpResponse, bytes: number) => void;
  /** Closes connections without work in progress, and every other one after its last response. */
  readonly drain: () => void;
};

// While shutting down: long enough for a peer that reads, however far away it is.
const DRAIN_TIMEOUT_MS = 1_000;
// Evictions come in bursts.
const LOG_EVERY_MS = 10_000;
// One periodic check for all requests: a timer for each would cost more than the rest of the bookkeeping.
const MAX_CHECK_INTERVAL_MS = 1_000;
const CHECKS_PER_TIMEOUT = 10;

/**
 * Bounds the connections of a server, so that slow and silent peers cannot exhaust it.
 *
 * Above `maxConnections` or the byte budgets, closes the connection that has waited longest without work in progress.
 * Answers 408 to bodies that arrive too slowly and resets connections whose response is not read. Node's own server has
 * no write timeout, and by default checks its read timeouts every 30 seconds only.
 */
export const watchConnections = (server: FastifyInstance['server'], limits: HttpLimits, log: Log): Connections => {
  const connections = new Map<Socket, Connection>();
  const exchanges = new Map<HttpResponse, Exchange>();
  // Connections without work in progress, the longest waiting first.
  const waiting = new Set<Connection>();
  // Exchanges whose request body has not arrived yet, the oldest first.
  const incomplete = new Set<Exchange>();
  // Exchanges whose response was handed over since the last check.
  const handedOver = new Set<Exchange>();
  let isDraining = false;
  let loggedAt = Number.NEGATIVE_INFINITY;

  const warn = (variable: string, message: string): void => {
    if (performance.now() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = performance.now();
    log.warn({ variable }, message);
  };

  /** Answers and closes the connection; only closes it where another response is in progress on it. */
  const refuse = ({ socket, exchanges: open }: Connection, refusal: Refusal): void => {
    const [first] = open;
    const isClean = open.size === 0 || (open.size === 1 && first?.phase === 'receiving' && !first.response.headersSent);
    if (!isClean || !socket.writable) return void socket.destroy();
    socket.setTimeout(limits.writeTimeoutMs);
    socket.end(toRawResponse(refusal));
    socket.destroySoon();
  };

  /** Closes a connection without work in progress, with an answer if a request has begun to arrive. */
  const dismiss = (connection: Connection, refusal: Refusal): void => {
    // Between requests a peer expects no response.
    if (connection.exchanges.size === 0) connection.socket.destroy();
    else refuse(connection, refusal);
  };

  const bodies = createByteBudget<Exchange>(limits.maxRequestBufferBytes, ({ connection }) => {
    warn(
      'REQUEST_BUFFER_MAX_MIB',
      'Broke off the request that took longest to arrive: too many bytes of bodies are held.',
    );
    refuse(connection, OVERLOADED);
  });
  const answers = createByteBudget<Exchange>(limits.maxResponseBufferBytes, ({ connection: { socket } }) => {
    warn('RESPONSE_BUFFER_MAX_MIB', 'Broke off the response that took longest to be read: too many bytes are unread.');
    socket.resetAndDestroy();
  });

  const stopWorking = (exchange: Exchange, phase: 'sending' | 'over'): void => {
    const { connection } = exchange;
    if (exchange.phase === 'working') connection.working -= 1;
    exchange.phase = phase;
    if (connection.working === 0 && connections.has(connection.socket)) waiting.add(connection);
  };

  const work = (exchange: Exchange): void => {
    if (exchange.phase !== 'receiving') return;
    exchange.phase = 'working';
    exchange.connection.working += 1;
    waiting.delete(exchange.connection);
    bodies.pin(exchange);
  };

  /** Starts the write timeout if the connection waits for its peer to read, and stops it if it waits for us. */
  const timeWriting = ({ socket, exchanges: open }: Connection): void => {
    const [first] = open;
    if (first?.phase !== 'sending') return void socket.setTimeout(0);
    socket.setTimeout(isDraining ? Math.min(limits.writeTimeoutMs, DRAIN_TIMEOUT_MS) : limits.writeTimeoutMs);
  };

  const finish = (exchange: Exchange): void => {
    const { connection } = exchange;
    stopWorking(exchange, 'over');
    bodies.release(exchange);
    answers.release(exchange);
    handedOver.delete(exchange);
    exchanges.delete(exchange.response);
    connection.exchanges.delete(exchange);
    if (connection.exchanges.size > 0) timeWriting(connection);
    else if (isDraining) connection.socket.destroySoon();
  };

  const begin = (request: HttpRequest, response: HttpResponse): void => {
    const connection = connections.get(request.socket);
    if (!connection) return;
    const exchange: Exchange = { connection, request, response, startedAt: performance.now(), phase: 'receiving' };
    connection.exchanges.add(exchange);
    exchanges.set(response, exchange);
    response.once('close', () => finish(exchange));
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    if (coding === undefined && (length === undefined || length === '0')) return void work(exchange);
    incomplete.add(exchange);
    request.once('end', () => {
      incomplete.delete(exchange);
      work(exchange);
    });
  };

  const check = (): void => {
    const before = performance.now() - limits.bodyTimeoutMs;
    for (const exchange of incomplete) {
      if (exchange.startedAt > before) break;
      incomplete.delete(exchange);
      if (exchange.phase === 'receiving') refuse(exchange.connection, REQUEST_TIMED_OUT);
      // Answered already, without the body.
      else exchange.request.socket.destroy();
    }
    for (const { connection } of handedOver) timeWriting(connection);
    handedOver.clear();
  };
  const shortest = Math.min(limits.bodyTimeoutMs, limits.writeTimeoutMs);
  const checks = setInterval(check, Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(shortest / CHECKS_PER_TIMEOUT))).unref();
  server.once('close', () => clearInterval(checks));

  server.on('connection', (socket: Socket) => {
    // Accepted before the server had closed.
    if (isDraining) return void socket.destroy();
    const connection: Connection = { socket, exchanges: new Set(), working: 0 };
    connections.set(socket, connection);
    waiting.add(connection);
    socket.once('close', () => {
      connections.delete(socket);
      waiting.delete(connection);
      for (const exchange of connection.exchanges) finish(exchange);
    });
    if (connections.size <= limits.maxConnections) return;
    warn('MAX_CONNECTIONS', 'Broke off the connection that has waited longest: there are too many.');
    const [longest = connection] = waiting;
    connections.delete(longest.socket);
    waiting.delete(longest);
    dismiss(longest, OVERLOADED);
  });
  // Called by `close`. Node's own counts a connection as idle once its response is handed over, and would cut off one
  // that is still being read. `drain` replaces it.
  server.closeIdleConnections = () => {};
  // Before the application, which can answer at once.
  server.prependListener('request', begin);
  // Node's own answer would be subject to no write timeout.
  server.on('checkExpectation', (request: HttpRequest, response: HttpResponse) => {
    begin(request, response);
    sending(response, 0);
    response
      .writeHead(EXPECTATION_FAILED.status, { connection: 'close', 'content-type': 'application/json; charset=utf-8' })
      .end(JSON.stringify(toErrorBody(EXPECTATION_FAILED)));
  });
  server.on('timeout', (socket: Socket) => {
    const [first] = connections.get(socket)?.exchanges ?? [];
    // A reset also frees what the system has buffered for the peer.
    if (first?.phase === 'sending') socket.resetAndDestroy();
    else socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    // Browsers open connections ahead of need; on an unused one they expect no response.
    if (!connection || error.code === 'ECONNRESET' || socket.bytesRead === 0) socket.destroy();
    else refuse(connection, refusalOfParserError(error.code));
  });

  const sending: Connections['sending'] = (response, bytes) => {
    const exchange = exchanges.get(response);
    if (!exchange || exchange.phase === 'over') return;
    stopWorking(exchange, 'sending');
    handedOver.add(exchange);
    answers.add(exchange, bytes);
  };

  return {
    sending,
    received: (response, bytes) => {
      const exchange = exchanges.get(response);
      if (exchange?.phase === 'receiving') bodies.add(exchange, bytes);
    },
    drain: () => {
      isDraining = true;
      for (const connection of waiting) {
        const [first] = connection.exchanges;
        if (first?.phase === 'sending') timeWriting(connection);
        else dismiss(connection, SHUTTING_DOWN);
      }
    },
  };
};
