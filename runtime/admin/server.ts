import { type BlockList, isIPv6 } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { isCrossSite } from '../cross-site.ts';
import { ConfigError } from '../env.ts';
import { createHttpApp, type Health } from '../http-app.ts';
import type { Refusal } from '../http-errors.ts';
import type { HttpLimits } from '../http-limits.ts';
import type { Running } from '../lifecycle.ts';
import { createLog, type LogLevel } from '../log.ts';
import { sendRefusal } from '../send-refusal.ts';
import { createTurnQueue } from '../turn-queue.ts';
import type { AdminConfig } from './config.ts';

/** The subject of the admin server: a gateway, a cluster of its workers, or a process with subgraphs. */
export type AdminSubject = Running & {
  /** Returns the state in detail. */
  readonly health: () => Health | Promise<Health>;
  /** Served besides `/health`. */
  readonly adminRoutes?: readonly AdminRoute[] | undefined;
};

/** A text that operators can read, e.g. at `/metrics`. */
export type AdminRoute = {
  readonly path: string;
  /** With its `content-type`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly read: () => string | Promise<string>;
};

/** The configuration of a process with an admin server. */
export type AdminOptions = {
  /** Undefined if it is off. */
  readonly admin: AdminConfig | undefined;
  readonly http: HttpLimits;
  readonly logLevel: LogLevel;
};

const ADDRESS_REFUSED: Refusal = {
  status: 403,
  message: 'Requests from this address are not accepted. The operator can allow it with ADMIN_ALLOW.',
  code: 'FORBIDDEN',
};

const PAGE_REFUSED: Refusal = {
  status: 403,
  message: 'Web pages of other sites may not use the admin endpoints.',
  code: 'FORBIDDEN',
};

/**
 * Serves the admin endpoints of a process beside it, if they are configured: `/health/live`, `/health/ready` in detail, and those
 * of the subject. They are reachable until the subject has stopped. Throws ConfigError if the port cannot be used.
 */
export const withAdminServer = async <Subject extends AdminSubject>(
  subject: Subject,
  { admin, http, logLevel }: AdminOptions,
): Promise<Subject & { readonly adminUrl: string | undefined }> => {
  if (!admin) return { ...subject, adminUrl: undefined };
  const { app, listen, close } = createHttpApp({
    log: createLog(logLevel),
    shutdownDelayMs: 0,
    shutdownGraceMs: SHUTDOWN_GRACE_MS,
    limits: http,
    hosts: admin.hosts,
    turns: createTurnQueue(),
    health: subject.health,
  });
  refuseOutsiders(app, admin.allow);
  registerAdminRoutes(app, subject.adminRoutes ?? []);
  try {
    const adminUrl = await listen(admin);
    return {
      ...subject,
      adminUrl,
      close: async () => {
        await subject.close();
        await close();
      },
    };
  } catch (error) {
    await subject.close();
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    throw new ConfigError(`ADMIN_PORT: the admin endpoints cannot listen at ${admin.host}, port ${admin.port}${code}.`);
  }
};

/** Time that running requests have to finish at shutdown, in milliseconds. */
const SHUTDOWN_GRACE_MS = 1_000;

/** Refuses requests from addresses that are not in the list, and of web pages of other sites. */
export const refuseOutsiders = (app: FastifyInstance, allow: BlockList): void => {
  app.addHook('onRequest', ({ headers, socket }, reply, done) => {
    const refusal = isAllowed(allow, socket.remoteAddress) ? PAGE_REFUSED : ADDRESS_REFUSED;
    if (refusal === PAGE_REFUSED && !isCrossSite(headers)) return done();
    sendRefusal(reply.header('connection', 'close'), refusal);
  });
};

/** Serves texts that operators can read. */
export const registerAdminRoutes = (app: FastifyInstance, routes: readonly AdminRoute[]): void => {
  for (const { path, headers, read } of routes) {
    // Read anew each time: a response from a cache would be about the past.
    app.get(path, async (_request, reply) =>
      reply.headers({ 'cache-control': 'no-store', ...headers }).send(await read()),
    );
  }
};

/** Whether requests from an address are accepted. */
export const isAllowed = (allow: BlockList, address = ''): boolean =>
  allow.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
