import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { monotonicNow } from './clock.ts';
import { type UpgradedConnection, watchConnections } from './connections.ts';
import { guardRequests } from './guard-requests.ts';
import type { HostPolicy } from './hosts.ts';
import { OVERLOADED, type Refusal, RequestRefused, SHUTTING_DOWN, UNSUPPORTED_MEDIA_TYPE } from './http-errors.ts';
import type { HttpLimits } from './http-limits.ts';
import { type Address, assertPortFree, listenOptions } from './listen.ts';
import type { Log } from './log.ts';
import { onResponseClose } from './on-response-close.ts';
import { createOverloadLog } from './overload-log.ts';
import { sendError, sendRefusal } from './send-refusal.ts';
import { readTls, type TlsFiles, watchTls } from './tls.ts';
import type { TurnQueue } from './turn-queue.ts';

/** The state of a process or a part of it. `status` is `ok` if it takes requests. */
export type Health = Readonly<Record<string, unknown>> & { readonly status: string };

export type HttpApp = {
  readonly app: FastifyInstance;
  /** Marks a connection as upgraded to another protocol. */
  readonly upgraded: (socket: Socket) => UpgradedConnection;
  /** Returns `ok`, or `stopping` after `close` was called. */
  readonly status: () => string;
  /** Starts listening and returns the URL. Port 0 selects a free port. */
  readonly listen: (at: Address) => Promise<string>;
  /**
   * Marks a response as a stream that has been opened now: its duration is up to its client, and its request's body, which the
   * handler must let go, does not count any more.
   */
  readonly streaming: (response: FastifyReply['raw']) => void;
  /** Marks a response that a handler has written on its own as complete: it waits only for its client, for so many bytes. */
  readonly sending: (response: FastifyReply['raw'], bytes: number) => void;
  /**
   * Reports not being ready, and goes on serving for the shutdown delay. Then stops accepting requests and closes connections
   * without a running request, except those whose response is being read. Running requests may finish within the grace period;
   * after that, their connections are closed too.
   */
  readonly close: () => Promise<void>;
};

export type HttpAppOptions = {
  readonly log: Log;
  /** Time for which requests are still accepted at shutdown, until load balancers send no more, in milliseconds. */
  readonly shutdownDelayMs: number;
  /** Time that running requests have to finish at shutdown, in milliseconds. */
  readonly shutdownGraceMs: number;
  readonly limits: HttpLimits;
  readonly hosts: HostPolicy;
  /** The files of HTTPS. Default: HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Yields between parsing long bodies. */
  readonly turns: TurnQueue;
  /** Returns additional fields of the `/health/ready` response. A `status` other than `ok` means that it is not ready. */
  readonly health?: (() => Partial<Health> | Promise<Partial<Health>>) | undefined;
  /** Called when no further requests are accepted, and running ones are waited for. */
  readonly onStopping?: (() => void) | undefined;
  /** Called once a response has been sent, or its client has left. */
  readonly onResponse?: ((exchange: HttpExchange) => void) | undefined;
};

/** A request and its response. */
export type HttpExchange = {
  readonly method: string;
  /** The path's pattern, e.g. `/graphql`; undefined for a path that is not served. */
  readonly route: string | undefined;
  /** 499 if the client left before the header of the response was sent. */
  readonly status: number;
  /** From the arrival of the header to the last byte of the response, until the client left, or until a stream was opened. */
  readonly durationMs: number;
};

// The interval at which Node checks its read timeouts is derived from them. Node's default is 30 seconds.
const CHECKS_PER_TIMEOUT = 10;
const MAX_CHECK_INTERVAL_MS = 1_000;

/** No route has a schema. Otherwise Fastify would load its compilers, a hundred modules, at each start. */
const noSchemas = (): never => {
  throw new Error('Routes cannot have schemas here.');
};

/**
 * Creates the HTTP server that every process shares: `/health/live`, `/health/ready`, limited connections, errors in the common
 * form `{"errors": [{"message", "extensions": {"code"}}]}`, and graceful shutdown.
 */
export const createHttpApp = ({
  log,
  shutdownDelayMs,
  shutdownGraceMs,
  limits,
  hosts,
  tls,
  turns,
  health = () => ({}),
  onStopping,
  onResponse,
}: HttpAppOptions): HttpApp => {
  // Not ready any more, but still serving.
  let isDraining = false;
  let isStopping = false;
  const status = () => (isDraining ? 'stopping' : 'ok');
  const streamingSince = new WeakMap<object, number>();
  const countOverload = createOverloadLog(log);
  const { headerTimeoutMs, bodyTimeoutMs } = limits;
  const http = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: headerTimeoutMs,
    requestTimeout: headerTimeoutMs + bodyTimeoutMs,
    connectionsCheckingInterval: Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(headerTimeoutMs / CHECKS_PER_TIMEOUT)),
    // Checked by `guardRequests`, in the common error form.
    requireHostHeader: false,
  };
  const secure = tls && readTls(tls);
  const app = Fastify({
    bodyLimit: 1024 * 1024,
    forceCloseConnections: 'idle',
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // Requests on open connections are rejected below during shutdown, in the common error form.
    return503OnClosing: false,
    ...(secure ? { https: { ...http, ...secure, handshakeTimeout: headerTimeoutMs } } : { http }),
    requestTimeout: headerTimeoutMs + bodyTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // Connection errors are handled by `watchConnections`.
    clientErrorHandler: () => {},
    // A malformed path reaches no other handler or hook.
    frameworkErrors: (_error, _request, reply) => {
      connections.sending(reply.raw, 0);
      reply.headers(HEADERS);
      return sendError(reply, 400, 'Invalid request URL.', 'BAD_REQUEST');
    },
  });
  // Excess header fields are rejected by `guardRequests`, not dropped silently.
  app.server.maxHeadersCount = 0;
  const connections = watchConnections(app.server, limits, log);
  // A connection keeps the client certificate that it was opened with.
  const unwatchTls =
    secure && app.server instanceof TlsServer
      ? watchTls(app.server, tls, { first: secure, log, onChange: connections.retire })
      : undefined;

  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500 && status !== OVERLOADED.status) log.error({ err: error }, 'A request failed.');
    return sendRefusal(reply, error instanceof RequestRefused ? error.refusal : refusalForStatus(status));
  });
  if (onResponse) {
    app.addHook('onRequest', ({ method, routeOptions: { url: route } }, { raw }, done) => {
      const arrivedAt = monotonicNow();
      // Fastify's own hook is not called for clients that leave.
      onResponseClose(raw, () => {
        const status = raw.headersSent ? raw.statusCode : CLIENT_LEFT;
        onResponse({ method, route, status, durationMs: (streamingSince.get(raw) ?? monotonicNow()) - arrivedAt });
      });
      done();
    });
  }
  app.addHook('onRequest', (request, reply, done) => {
    if (isStopping && request.url !== '/health/ready') return void sendRefusal(reply, SHUTTING_DOWN);
    done();
  });
  guardRequests(app, { limits, hosts, turns });
  refuseOtherRoutes(app);
  app.addHook('preParsing', ({ method }, reply, payload, done) => {
    // Bodies of these methods are not read, and a listener would start reading.
    if (BODYLESS.has(method)) return done(null, payload);
    payload.on('data', (chunk: Buffer) => connections.received(reply.raw, chunk.length));
    done(null, payload);
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    // A kept-alive connection would keep the process alive after its last response, and its client at this replica.
    if (isDraining || connections.isRetired(reply.raw)) reply.header('connection', 'close');
    else if (isOverload(reply)) countOverload();
    reply.headers(HEADERS);
    connections.sending(reply.raw, byteLengthOf(payload));
    done();
  });
  app.get('/health/live', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    const state = { status: status(), ...(await health()) };
    return reply.code(state.status === 'ok' ? 200 : 503).send(state);
  });

  let additionalServers: readonly Server[] = [];
  return {
    app,
    upgraded: connections.upgraded,
    status,
    listen: async ({ port, host }) => {
      const [address = host, ...rest] = host === 'localhost' ? LOOPBACK : [host];
      await assertPortFree({ port, host: address });
      await app.listen(listenOptions({ port, host: address }));
      const bound = app.server.address() as AddressInfo;
      additionalServers = await Promise.all(rest.map((other) => listenAlso(app, { port: bound.port, host: other })));
      return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound.port}`;
    },
    sending: connections.sending,
    streaming: (response) => {
      streamingSince.set(response, monotonicNow());
      connections.streaming(response);
    },
    close: async () => {
      isDraining = true;
      // A server that has not started gets no requests.
      if (shutdownDelayMs > 0 && app.server.listening) await delay(shutdownDelayMs);
      isStopping = true;
      onStopping?.();
      unwatchTls?.();
      for (const server of additionalServers) server.close();
      const closed = app.close();
      connections.drain();
      const grace = setTimeout(() => app.server.closeAllConnections(), shutdownGraceMs);
      await closed;
      clearTimeout(grace);
    },
  };
};

/** Headers of every response. A browser must not take JSON, or any other type, for something else. */
const HEADERS = { 'x-content-type-options': 'nosniff' };

/** The status of an exchange without a response, as proxies log it. */
const CLIENT_LEFT = 499;

const BODYLESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE']);

/**
 * Responds with 404 to an unknown path, naming the GraphQL endpoints, and with 405 to an unsupported method, before any body is
 * read. CORS preflight requests pass.
 */
const refuseOtherRoutes = (app: FastifyInstance): void => {
  const methods = new Map<string, Set<string>>();
  app.setNotFoundHandler((_request, reply) => {
    // Only GraphQL endpoints accept both.
    const endpoints = [...methods].flatMap(([url, names]) => (names.has('GET') && names.has('POST') ? [url] : []));
    const hint = endpoints.length > 0 ? ` GraphQL is served at ${endpoints.join(', ')}.` : '';
    sendError(reply, 404, `Nothing is served at this path.${hint}`, 'NOT_FOUND');
  });
  app.addHook('onRoute', ({ url, method }) => {
    methods.set(url, new Set([...(methods.get(url) ?? []), ...[method].flat()]));
  });
  app.addHook('onRequest', ({ url, method, headers, is404 }, reply, done) => {
    // The CORS plugin registers OPTIONS for every path.
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

// The addresses of `localhost`. Fastify would create its own server for the second one, without connection limits.
const LOOPBACK = ['127.0.0.1', '::1'];

/** Listens at an additional address for the same server. Does nothing if the machine has no such address. */
const listenAlso = async (app: FastifyInstance, at: Address): Promise<Server> => {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) =>
    app.server.emit('connection', socket),
  );
  await once(server.listen(listenOptions(at)), 'listening').catch(() => {});
  return server;
};

/** Whether a response tells its client, if it is still there, to retry later. */
const isOverload = (reply: FastifyReply): boolean =>
  reply.statusCode === OVERLOADED.status && !reply.raw.destroyed && reply.hasHeader('retry-after');

const byteLengthOf = (payload: unknown): number => {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
};

/** Creates a signal that fires when the client disconnects before the response is sent, or with a TimeoutError after `timeoutMs`. */
export const requestSignal = (reply: FastifyReply, timeoutMs?: number): AbortSignal => {
  const controller = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => controller.abort(new DOMException('The request timed out.', 'TimeoutError')), timeoutMs);
  onResponseClose(reply.raw, () => {
    clearTimeout(timer);
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
};

const refusalForStatus = (status: number): Refusal => {
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
