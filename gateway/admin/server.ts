import { isIPv6 } from 'node:net';
import { isCrossSite } from '../../runtime/cross-site.ts';
import { ConfigError } from '../../runtime/env.ts';
import { createHttpApp, type Health } from '../../runtime/http-app.ts';
import type { Refusal } from '../../runtime/http-errors.ts';
import type { Running } from '../../runtime/lifecycle.ts';
import { createLog } from '../../runtime/log.ts';
import { sendRefusal } from '../../runtime/send-refusal.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import type { GatewayConfig } from '../config.ts';
import type { AdminConfig } from './config.ts';

/** The subject of the admin endpoints: a gateway, or a cluster of its workers. */
export type AdminSubject = Running & {
  /** Returns the state in detail. */
  readonly health: () => Health | Promise<Health>;
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
 * Serves the admin endpoints of a gateway beside it, if they are configured: `/health/live`, and `/health/ready` in detail. They
 * are reachable until the gateway has stopped. Throws ConfigError if the port cannot be used.
 */
export const withAdminServer = async <Subject extends AdminSubject>(
  subject: Subject,
  { admin, http, logLevel }: Pick<GatewayConfig, 'admin' | 'http' | 'logLevel'>,
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
  app.addHook('onRequest', ({ headers, socket }, reply, done) => {
    const refusal = refusalOf(admin, socket.remoteAddress ?? '') ?? (isCrossSite(headers) ? PAGE_REFUSED : undefined);
    if (refusal) return void sendRefusal(reply.header('connection', 'close'), refusal);
    done();
  });
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
    throw new ConfigError(`ADMIN_PORT: the gateway cannot listen at ${admin.host}, port ${admin.port}${code}.`);
  }
};

/** Time that running requests have to finish at shutdown, in milliseconds. */
const SHUTDOWN_GRACE_MS = 1_000;

const refusalOf = ({ allow }: AdminConfig, address: string): Refusal | undefined =>
  allow.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ? undefined : ADDRESS_REFUSED;
