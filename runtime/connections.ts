import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createByteBudget } from './byte-budget.ts';
import {
  EXPECTATION_FAILED,
  OVERLOADED,
  REQUEST_TIMED_OUT,
  type Refusal,
  refusalForParserError,
  SHUTTING_DOWN,
  toErrorBody,
  toRawResponse,
} from './http-errors.ts';
import type { HttpLimits } from './http-limits.ts';
import type { Log } from './log.ts';
import { onResponseClose } from './on-response-close.ts';

type HttpRequest = FastifyRequest['raw'];
type HttpResponse = FastifyReply['raw'];

/** One request and its response. In every phase except `working`, the duration depends on the peer. */
type Exchange = {
  readonly connection: Connection;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** Arrival of the request header, by `performance.now`. */
  readonly startedAt: number;
  phase: 'receiving' | 'working' | 'sending' | 'over';
};

type Connection = {
  /** The socket of the system. */
  readonly raw: Socket;
  /** The socket of HTTP. Over TLS another one, as soon as the handshake is over. */
  socket: Socket;
  /** In order of the requests, and thus of the responses. More than one if the client pipelines. */
  readonly exchanges: Set<Exchange>;
  working: number;
  isRetired: boolean;
  /** Whether it speaks another protocol than HTTP. */
  isUpgraded: boolean;
};

/** A message over an upgraded connection that is held in memory. */
type Message = { readonly upgraded: Connection };

/** A connection that speaks another protocol than HTTP. Its messages share the limit of request bodies. */
export type UpgradedConnection = {
  /** Says whether the connection has work in progress. At first, it has. */
  readonly setWorking: (isWorking: boolean) => void;
  /** Counts received bytes of a message that is incomplete; negative if they were no part of it. */
  readonly received: (bytes: number) => void;
  /** The message is complete, and not held any more. */
  readonly completed: () => void;
  /** Holds a complete message until the returned function is called. */
  readonly hold: (bytes: number) => () => void;
};

export type Connections = {
  /** Counts received bytes of a request body. */
  readonly received: (response: HttpResponse, bytes: number) => void;
  /** Marks a response as being sent, in full or as a stream. From here on it waits for the peer. */
  readonly sending: (response: HttpResponse, bytes: number) => void;
  /** Marks a response as a stream. From here on its request's body is not needed. */
  readonly streaming: (response: HttpResponse) => void;
  /** Marks a connection as upgraded to another protocol: it is not drained. */
  readonly upgraded: (socket: Socket) => UpgradedConnection;
  /** Marks all open connections: they are to be closed after their next response. */
  readonly retire: () => void;
  readonly isRetired: (response: HttpResponse) => boolean;
  /** Closes connections without work in progress, and all others after their last response. */
  readonly drain: () => void;
};

// Write timeout at shutdown: long enough for any peer that reads, even over a slow network.
const DRAIN_TIMEOUT_MS = 1_000;
// Evictions come in bursts, so their log messages are rate-limited.
const LOG_EVERY_MS = 10_000;
// One periodic check for all requests, because a timer per request would cost more than all other bookkeeping.
const MAX_CHECK_INTERVAL_MS = 1_000;
const CHECKS_PER_TIMEOUT = 10;

/**
 * Limits the connections of a server, so that slow and silent peers cannot exhaust it.
 *
 * Above `maxConnections` or a byte budget, closes the connection that has waited longest without work in progress. Responds with
 * 408 to bodies that arrive too slowly, and resets connections whose response is not read. Node's server has no write timeout,
 * and by default checks its read timeouts only every 30 seconds.
 */
export const watchConnections = (server: FastifyInstance['server'], limits: HttpLimits, log: Log): Connections => {
  const connections = new Map<Socket, Connection>();
  const exchanges = new Map<HttpResponse, Exchange>();
  // Connections without work in progress, longest waiting first.
  const waiting = new Set<Connection>();
  // Exchanges whose request body is incomplete, oldest first.
  const incomplete = new Set<Exchange>();
  // Exchanges that have started to send since the last check.
  const newlySending = new Set<Exchange>();
  const isTls = server instanceof TlsServer;
  // Over TLS, by their peers: Node does not tell from which socket the one of HTTP comes.
  const handshakes = new Map<string, Connection>();
  let isDraining = false;
  let loggedAt = Number.NEGATIVE_INFINITY;

  const warn = (variable: string, message: string): void => {
    if (performance.now() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = performance.now();
    log.warn({ variable }, message);
  };

  /** Sends an error response and closes the connection. Only closes it if another response is in progress. */
  const refuse = ({ socket, exchanges: open }: Connection, refusal: Refusal): void => {
    const [first] = open;
    const canRespond =
      open.size === 0 || (open.size === 1 && first?.phase === 'receiving' && !first.response.headersSent);
    if (!canRespond || !socket.writable) return void socket.destroy();
    socket.setTimeout(limits.writeTimeoutMs);
    socket.end(toRawResponse(refusal));
    socket.destroySoon();
  };

  /** Closes a connection without work in progress. Sends a response if a request has begun to arrive. */
  const dismiss = (connection: Connection, refusal: Refusal): void => {
    // Between requests a peer expects no response.
    if (connection.exchanges.size === 0) connection.socket.destroy();
    else refuse(connection, refusal);
  };

  const bodies = createByteBudget<Exchange | Message>(limits.maxRequestBufferBytes, (holder) => {
    warn(
      'REQUEST_BUFFER_MAX_MIB',
      'Closed the connection of the slowest incoming request or message: they exceed the buffer limit together.',
    );
    if ('upgraded' in holder) holder.upgraded.socket.destroy();
    else refuse(holder.connection, OVERLOADED);
  });
  const responses = createByteBudget<Exchange>(limits.maxResponseBufferBytes, ({ connection: { raw } }) => {
    warn(
      'RESPONSE_BUFFER_MAX_MIB',
      'Closed the connection with the slowest reader: unread responses exceed the buffer limit.',
    );
    raw.resetAndDestroy();
  });

  const stopWorking = (exchange: Exchange, phase: 'sending' | 'over'): void => {
    const { connection } = exchange;
    if (exchange.phase === 'working') connection.working -= 1;
    exchange.phase = phase;
    if (connection.working === 0 && connections.has(connection.socket)) waiting.add(connection);
  };

  const startWork = (exchange: Exchange): void => {
    if (exchange.phase !== 'receiving') return;
    exchange.phase = 'working';
    exchange.connection.working += 1;
    waiting.delete(exchange.connection);
    bodies.pin(exchange);
  };

  /** Starts the write timeout if the connection waits for its peer to read, otherwise stops it. */
  const updateWriteTimeout = ({ socket, exchanges: open }: Connection): void => {
    const [first] = open;
    if (first?.phase !== 'sending') return void socket.setTimeout(0);
    socket.setTimeout(isDraining ? Math.min(limits.writeTimeoutMs, DRAIN_TIMEOUT_MS) : limits.writeTimeoutMs);
  };

  const finish = (exchange: Exchange): void => {
    const { connection } = exchange;
    stopWorking(exchange, 'over');
    bodies.release(exchange);
    responses.release(exchange);
    newlySending.delete(exchange);
    exchanges.delete(exchange.response);
    connection.exchanges.delete(exchange);
    if (connection.exchanges.size > 0) updateWriteTimeout(connection);
    else if (isDraining) connection.socket.destroySoon();
  };

  const begin = (request: HttpRequest, response: HttpResponse): void => {
    const connection = connections.get(request.socket);
    if (!connection) return;
    const exchange: Exchange = { connection, request, response, startedAt: performance.now(), phase: 'receiving' };
    connection.exchanges.add(exchange);
    exchanges.set(response, exchange);
    onResponseClose(response, () => finish(exchange));
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    if (coding === undefined && (length === undefined || length === '0')) return void startWork(exchange);
    incomplete.add(exchange);
    request.once('end', () => {
      incomplete.delete(exchange);
      startWork(exchange);
    });
  };

  const checkTimeouts = (): void => {
    const before = performance.now() - limits.bodyTimeoutMs;
    for (const exchange of incomplete) {
      if (exchange.startedAt > before) break;
      incomplete.delete(exchange);
      if (exchange.phase === 'receiving') refuse(exchange.connection, REQUEST_TIMED_OUT);
      // The response was sent without waiting for the body.
      else exchange.request.socket.destroy();
    }
    for (const { connection } of newlySending) updateWriteTimeout(connection);
    newlySending.clear();
  };
  const shortest = Math.min(limits.bodyTimeoutMs, limits.writeTimeoutMs);
  const checks = setInterval(
    checkTimeouts,
    Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(shortest / CHECKS_PER_TIMEOUT)),
  ).unref();
  server.once('close', () => clearInterval(checks));

  server.on('connection', (socket: Socket) => {
    // Accepted before the server was closed.
    if (isDraining) return void socket.destroy();
    const connection: Connection = {
      raw: socket,
      socket,
      exchanges: new Set(),
      working: 0,
      isRetired: false,
      isUpgraded: false,
    };
    connections.set(socket, connection);
    waiting.add(connection);
    const peer = peerOf(socket);
    if (isTls) handshakes.set(peer, connection);
    socket.once('close', () => {
      if (handshakes.get(peer) === connection) handshakes.delete(peer);
      connections.delete(connection.socket);
      waiting.delete(connection);
      for (const exchange of connection.exchanges) finish(exchange);
    });
    if (connections.size <= limits.maxConnections) return;
    warn('MAX_CONNECTIONS', 'Closed the connection that has been idle longest: too many connections are open.');
    const [longest = connection] = waiting;
    connections.delete(longest.socket);
    waiting.delete(longest);
    dismiss(longest, OVERLOADED);
  });
  server.on('secureConnection', (socket: Socket) => {
    const peer = peerOf(socket);
    const connection = handshakes.get(peer);
    // Closed meanwhile.
    if (!connection) return void socket.destroy();
    handshakes.delete(peer);
    connections.delete(connection.socket);
    connection.socket = socket;
    connections.set(socket, connection);
  });
  // Called by `close`, and replaced by `drain`. Node's implementation treats a connection as idle as soon as its response is
  // buffered, and would cut off a response that is still being read.
  server.closeIdleConnections = () => {};
  // Before the application, which may respond synchronously.
  server.prependListener('request', begin);
  // Node's default response would not be subject to the write timeout.
  server.on('checkExpectation', (request: HttpRequest, response: HttpResponse) => {
    begin(request, response);
    sending(response, 0);
    response
      .writeHead(EXPECTATION_FAILED.status, { connection: 'close', 'content-type': 'application/json; charset=utf-8' })
      .end(JSON.stringify(toErrorBody(EXPECTATION_FAILED)));
  });
  server.on('timeout', (socket: Socket) => {
    const connection = connections.get(socket);
    const [first] = connection?.exchanges ?? [];
    // A reset also frees the data that the system has buffered for the peer.
    if (first?.phase === 'sending') connection?.raw.resetAndDestroy();
    else socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    // Browsers open connections speculatively, and expect no response on an unused one.
    if (!connection || error.code === 'ECONNRESET' || socket.bytesRead === 0) socket.destroy();
    else refuse(connection, refusalForParserError(error.code));
  });

  const sending: Connections['sending'] = (response, bytes) => {
    const exchange = exchanges.get(response);
    if (!exchange || exchange.phase === 'over') return;
    stopWorking(exchange, 'sending');
    newlySending.add(exchange);
    responses.add(exchange, bytes);
  };

  return {
    sending,
    upgraded: (socket) => {
      const connection = connections.get(socket);
      if (!connection) return CLOSED;
      connection.isUpgraded = true;
      waiting.delete(connection);
      const incomplete: Message = { upgraded: connection };
      let held = 0;
      connection.socket.once('close', () => bodies.release(incomplete));
      return {
        setWorking: (isWorking) => {
          waiting.delete(connection);
          if (!isWorking && connections.has(connection.socket)) waiting.add(connection);
        },
        received: (bytes) => {
          // A ping may arrive in the same chunk as the end of the previous message.
          const next = Math.max(0, held + bytes);
          bodies.add(incomplete, next - held);
          held = next;
        },
        completed: () => {
          held = 0;
          bodies.release(incomplete);
        },
        hold: (bytes) => {
          // It was counted while it arrived, so the sum does not grow.
          const message: Message = { ...incomplete };
          bodies.add(message, bytes);
          bodies.pin(message);
          return () => bodies.release(message);
        },
      };
    },
    streaming: (response) => {
      const exchange = exchanges.get(response);
      if (exchange) bodies.release(exchange);
    },
    retire: () => {
      for (const connection of connections.values()) connection.isRetired = true;
    },
    isRetired: (response) => exchanges.get(response)?.connection.isRetired ?? false,
    received: (response, bytes) => {
      const exchange = exchanges.get(response);
      if (exchange?.phase === 'receiving') bodies.add(exchange, bytes);
    },
    drain: () => {
      isDraining = true;
      for (const connection of waiting) {
        if (connection.isUpgraded) continue;
        const [first] = connection.exchanges;
        if (first?.phase === 'sending') updateWriteTimeout(connection);
        else dismiss(connection, SHUTTING_DOWN);
      }
    },
  };
};

/** The handle of a connection that is already closed. */
const CLOSED: UpgradedConnection = {
  setWorking: () => {},
  received: () => {},
  completed: () => {},
  hold: () => () => {},
};

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
