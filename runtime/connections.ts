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

/**
 * One request and its response. Only one in the phase `working` is our own affair; in the others a peer decides how long
 * it takes.
 */
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
  /** Marks that all of a response is handed over, or begins to stream, and from here on waits for the peer. */
  readonly sending: (response: HttpResponse, bytes: number) => void;
  /** Breaks connections that no work is done for, and each other one after its last response. */
  readonly drain: () => void;
};

// While shutting down: long enough for a peer that reads, however far away it is.
const DRAIN_TIMEOUT_MS = 1_000;
// Whatever evicts does so often.
const LOG_EVERY_MS = 10_000;
// Timers for each request would cost more than all the rest: one for all looks at this interval, or sooner for short timeouts.
const MAX_CHECK_INTERVAL_MS = 1_000;
const CHECKS_PER_TIMEOUT = 10;

/**
 * Watches the connections of a server, so that none that merely waits for its peer costs others anything.
 *
 * Beyond `maxConnections`, or the bytes that may wait in either direction, the connection goes that has waited longest
 * and has no work in progress. A body that arrives too slowly is answered with 408, a response that is not read ends the
 * connection. Node's own server has no timeout for writing, and looks at those for reading every 30 seconds only.
 */
export const watchConnections = (server: FastifyInstance['server'], limits: HttpLimits, log: Log): Connections => {
  const connections = new Map<Socket, Connection>();
  const exchanges = new Map<HttpResponse, Exchange>();
  // Those without work, the one that has been so for longest first.
  const waiting = new Set<Connection>();
  // Whose bodies have not arrived, the oldest first.
  const incomplete = new Set<Exchange>();
  // Whose responses were handed over since the last check.
  const handedOver = new Set<Exchange>();
  let isDraining = false;
  let loggedAt = Number.NEGATIVE_INFINITY;

  const warn = (variable: string, message: string): void => {
    if (performance.now() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = performance.now();
    log.warn({ variable }, message);
  };

  /** Answers what can still be answered: a request of which nothing has been answered yet, and no other before it. */
  const refuse = ({ socket, exchanges: open }: Connection, refusal: Refusal): void => {
    const [first] = open;
    const isClean = open.size === 0 || (open.size === 1 && first?.phase === 'receiving' && !first.response.headersSent);
    if (!isClean || !socket.writable) return void socket.destroy();
    socket.setTimeout(limits.writeTimeoutMs);
    socket.end(toRawResponse(refusal));
    socket.destroySoon();
  };

  /** Gives a connection up that has no work in progress. */
  const dismiss = (connection: Connection, refusal: Refusal): void => {
    // Between requests a peer expects nothing.
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

  /** Gives the peer its time to read, but only while it is the peer that the connection waits for. */
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
  // `close` calls this. Node's own takes a response that is handed over for one that has arrived, and cuts it off where
  // it is still being read; `drain` does all that is needed.
  server.closeIdleConnections = () => {};
  // Before the application, which can answer at once.
  server.prependListener('request', begin);
  // Node would answer this by itself, and nothing would time the reading of it.
  server.on('checkExpectation', (request: HttpRequest, response: HttpResponse) => {
    begin(request, response);
    sending(response, 0);
    response
      .writeHead(EXPECTATION_FAILED.status, { connection: 'close', 'content-type': 'application/json; charset=utf-8' })
      .end(JSON.stringify(toErrorBody(EXPECTATION_FAILED)));
  });
  server.on('timeout', (socket: Socket) => {
    const [first] = connections.get(socket)?.exchanges ?? [];
    // What the system holds for a peer that does not read is let go too.
    if (first?.phase === 'sending') socket.resetAndDestroy();
    else socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    // Browsers connect ahead of need, and one that has sent nothing expects nothing.
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
