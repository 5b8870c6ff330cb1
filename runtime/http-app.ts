import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { watchConnections } from './connections.ts';
import { guardRequests } from './guard-requests.ts';
import type { HostPolicy } from './hosts.ts';
import { OVERLOADED, type Refusal, RequestRefused, SHUTTING_DOWN, UNSUPPORTED_MEDIA_TYPE } from './http-errors.ts';
import type { HttpLimits } from './http-limits.ts';
import { type Address, checkIsFree, listenOptions } from './listen.ts';
import type { Log } from './log.ts';
import { sendError, sendRefusal } from './send-refusal.ts';
import type { TurnQueue } from './turn-queue.ts';

export type HttpApp = {
  readonly app: FastifyInstance;
  /** Gives the URL it listens at; port 0 takes any free one. */
  readonly listen: (at: Address) => Promise<string>;
  /**
   * Takes no more requests and breaks every connection that no request is running on, but for responses that are being
   * read. Running requests may finish within the grace period; then their connections are broken too.
   */
  readonly close: () => Promise<void>;
};

export type HttpAppOptions = {
  readonly log: Log;
  /** How long running requests may go on once the app is closed, in milliseconds. */
  readonly shutdownGraceMs: number;
  readonly limits: HttpLimits;
  readonly hosts: HostPolicy;
  /** Spaces out the reading of long bodies. */
  readonly turns: TurnQueue;
  /** What `/health/ready` says beside the status. */
  readonly health?: () => Readonly<Record<string, string>>;
};

// Node checks its timeouts for reading at this interval, by default only every 30 seconds.
const CHECKS_PER_TIMEOUT = 10;
const MAX_CHECK_INTERVAL_MS = 1_000;

/**
 * An HTTP server with what every process of the product has: `/health/live`, `/health/ready`, bounded connections,
 * errors in the one form `{"errors": [{"message", "extensions": {"code"}}]}`, and an orderly end.
 */
export const createHttpApp = ({
  log,
  shutdownGraceMs,
  limits,
  hosts,
  turns,
  health = () => ({}),
}: HttpAppOptions): HttpApp => {
  let isStopping = false;
  const { headerTimeoutMs, bodyTimeoutMs } = limits;
  const app = Fastify({
    bodyLimit: 1024 * 1024,
    forceCloseConnections: 'idle',
    // Requests on open connections are refused in our own form while stopping.
    return503OnClosing: false,
    http: {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: headerTimeoutMs,
      requestTimeout: headerTimeoutMs + bodyTimeoutMs,
      connectionsCheckingInterval: Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(headerTimeoutMs / CHECKS_PER_TIMEOUT)),
      // Refused in our own form instead.
      requireHostHeader: false,
    },
    requestTimeout: headerTimeoutMs + bodyTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // Every connection's errors are handled where the connections are watched.
    clientErrorHandler: () => {},
    // A path that cannot be read comes to no other handler or hook.
    frameworkErrors: (_error, _request, reply) => {
      connections.sending(reply.raw, 0);
      return sendError(reply, 400, 'The request URL is malformed.', 'BAD_REQUEST');
    },
  });
  // More are refused, not dropped.
  app.server.maxHeadersCount = 0;
  const connections = watchConnections(app.server, limits, log);

  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500 && status !== OVERLOADED.status) log.error({ err: error }, 'A request failed.');
    return sendRefusal(reply, error instanceof RequestRefused ? error.refusal : refusalOf(status));
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (isStopping && request.url !== '/health/ready') return void sendRefusal(reply, SHUTTING_DOWN);
    done();
  });
  guardRequests(app, { limits, hosts, turns });
  refuseOtherRoutes(app);
  app.addHook('preParsing', ({ method }, reply, payload, done) => {
    // The bodies of others are not read, and would be by this.
    if (BODYLESS.has(method)) return done(null, payload);
    payload.on('data', (chunk: Buffer) => connections.received(reply.raw, chunk.length));
    done(null, payload);
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    // A connection kept alive would otherwise keep the process alive after its last answer.
    if (isStopping) reply.header('connection', 'close');
    connections.sending(reply.raw, sizeOf(payload));
    done();
  });
  app.get('/health/live', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    if (isStopping) reply.code(503);
    return { status: isStopping ? 'stopping' : 'ok', ...health() };
  });

  let others: readonly Server[] = [];
  return {
    app,
    listen: async ({ port, host }) => {
      const [address = host, ...rest] = host === 'localhost' ? LOOPBACK : [host];
      await checkIsFree({ port, host: address });
      await app.listen(listenOptions({ port, host: address }));
      const bound = app.server.address() as AddressInfo;
      others = await Promise.all(rest.map((other) => forward(app, { port: bound.port, host: other })));
      return `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`;
    },
    close: async () => {
      isStopping = true;
      for (const server of others) server.close();
      const closed = app.close();
      connections.drain();
      const grace = setTimeout(() => app.server.closeAllConnections(), shutdownGraceMs);
      await closed;
      clearTimeout(grace);
    },
  };
};

const BODYLESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE']);

/**
 * Answers 404 to a path that does not exist, and says which do, and 405 to a method that a path does not have, before any
 * body is read. Preflights of CORS are let through.
 */
const refuseOtherRoutes = (app: FastifyInstance): void => {
  const methods = new Map<string, Set<string>>();
  app.setNotFoundHandler((_request, reply) => {
    // What takes POST is GraphQL.
    const endpoints = [...methods].flatMap(([url, names]) => (names.has('POST') ? [url] : []));
    sendError(reply, 404, `Nothing is served at this path. GraphQL is served at ${endpoints.join(', ')}.`, 'NOT_FOUND');
  });
  app.addHook('onRoute', ({ url, method }) => {
    methods.set(url, new Set([...(methods.get(url) ?? []), ...[method].flat()]));
  });
  app.addHook('onRequest', ({ url, method, headers, is404 }, reply, done) => {
    // CORS has a route for OPTIONS of every path.
    if (!is404 && method !== 'OPTIONS') return done();
    const isPreflight = method === 'OPTIONS' && headers.origin && headers['access-control-request-method'];
    const end = url.indexOf('?');
    const allowed = methods.get(end < 0 ? url : url.slice(0, end));
    if (isPreflight || allowed?.has(method)) return done();
    if (allowed) {
      const names = [...allowed].join(', ');
      sendError(reply.header('allow', names), 405, `Method not allowed. Use one of: ${names}.`, 'METHOD_NOT_ALLOWED');
      return;
    }
    if (method === 'OPTIONS') return void reply.callNotFound();
    done();
  });
};

// What `localhost` stands for. Fastify would listen at both with servers of its own, whose connections nobody watches.
const LOOPBACK = ['127.0.0.1', '::1'];

/** Listens at one more address for the same server; does nothing where the machine has no such address. */
const forward = async (app: FastifyInstance, at: Address): Promise<Server> => {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) =>
    app.server.emit('connection', socket),
  );
  await once(server.listen(listenOptions(at)), 'listening').catch(() => {});
  return server;
};

const sizeOf = (payload: unknown): number => {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
};

/** Fires when the client goes away before it has its answer, or with a `TimeoutError` when `timeoutMs` have passed. */
export const requestSignal = (reply: FastifyReply, timeoutMs?: number): AbortSignal => {
  const controller = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => controller.abort(new DOMException('The time is up.', 'TimeoutError')), timeoutMs);
  reply.raw.once('close', () => {
    clearTimeout(timer);
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
};

const refusalOf = (status: number): Refusal => {
  if (status === OVERLOADED.status) return OVERLOADED;
  if (status === 413) return { status, message: 'The request is too large.', code: 'PAYLOAD_TOO_LARGE' };
  if (status === UNSUPPORTED_MEDIA_TYPE.status) return UNSUPPORTED_MEDIA_TYPE;
  if (status < 500) {
    return {
      status,
      message: 'Not a GraphQL request. Send JSON with a query, as application/json.',
      code: 'BAD_REQUEST',
    };
  }
  return { status, message: 'Something went wrong on our side.', code: 'INTERNAL_SERVER_ERROR' };
};
