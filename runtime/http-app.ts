import type { AddressInfo, Socket } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Log } from './log.ts';

export type HttpApp = {
  readonly app: FastifyInstance;
  /** Gives the URL it listens at; port 0 takes any free one. */
  readonly listen: (at: { port: number; host: string }) => Promise<string>;
  /** Takes no more requests, lets the running ones finish within the grace period, then breaks their connections. */
  readonly close: () => Promise<void>;
};

export type HttpAppOptions = {
  readonly log: Log;
  /** How long running requests may go on once the app is closed, in milliseconds. */
  readonly shutdownGraceMs: number;
  /** What `/health/ready` says beside the status. */
  readonly health?: () => Readonly<Record<string, string>>;
};

/**
 * An HTTP server with what every process of the product has: `/health/live`, `/health/ready`, errors in the one form
 * `{"errors": [{"message", "extensions": {"code"}}]}`, and an orderly end.
 */
export const createHttpApp = ({ log, shutdownGraceMs, health = () => ({}) }: HttpAppOptions): HttpApp => {
  let isStopping = false;
  // A client gets ten seconds to send its request: the servers behind are not kept waiting for it.
  const app = Fastify({
    requestTimeout: 10_000,
    bodyLimit: 1024 * 1024,
    forceCloseConnections: 'idle',
    // A path that cannot be read comes to no other handler.
    frameworkErrors: (_error, _request, reply) => sendError(reply, 400, 'This is no address.', 'BAD_REQUEST'),
  });
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, 'A request failed.');
    return sendError(reply, status, ...errorOf(status));
  });
  app.setNotFoundHandler((_request, reply) => sendError(reply, 404, 'There is nothing here.', 'BAD_REQUEST'));
  // A connection kept alive would otherwise keep the process alive after its last answer.
  app.addHook('onSend', async (_request, reply) => {
    if (isStopping) reply.header('connection', 'close');
  });
  // Node counts a connection that never had a request as a busy one: browsers open such ahead of need, and each would
  // keep a closing server waiting for the whole grace period.
  const unused = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  app.get('/health/live', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    if (isStopping) reply.code(503);
    return { status: isStopping ? 'stopping' : 'ok', ...health() };
  });
  return {
    app,
    listen: async ({ port, host }) => {
      await app.listen({ port, host });
      const address = app.server.address() as AddressInfo;
      return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
    },
    close: async () => {
      isStopping = true;
      for (const socket of unused) socket.destroy();
      const grace = setTimeout(() => app.server.closeAllConnections(), shutdownGraceMs);
      await app.close();
      clearTimeout(grace);
    },
  };
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

const errorOf = (status: number): [message: string, code: string] => {
  if (status === 413) return ['The request is too large.', 'PAYLOAD_TOO_LARGE'];
  if (status < 500) return ['This is no GraphQL request: send JSON with a query.', 'BAD_REQUEST'];
  return ['Something went wrong on our side.', 'INTERNAL_SERVER_ERROR'];
};

/** Answers with an error in the one form that all have. */
export const sendError = (reply: FastifyReply, status: number, message: string, code: string) =>
  reply.code(status).send({ errors: [{ message, extensions: { code } }] });
