import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { networkOf } from '../../runtime/network.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { isNamed } from './client.ts';

/** Interval between log entries about one client, in milliseconds. */
const LOG_EVERY_MS = 60_000;
const MAX_CLIENTS = 1_000;
const MAX_SUBJECT_CHARS = 200;

type Logged = { readonly at: number; suppressed: number };

export type ClientLog = (
  client: { readonly id: string; readonly identity: Identity; readonly address: string },
  details: Readonly<Record<string, unknown>>,
  message: string,
) => void;

/** Creates a log of what clients cause: one entry a minute for each client, with the number of those that were left out. */
export const createClientLog = (log: Log): ClientLog => {
  const clients = new LRUCache<string, Logged>({ max: MAX_CLIENTS });
  return ({ id, identity, address }, details, message) => {
    const last = clients.get(id);
    if (last && monotonicNow() - last.at < LOG_EVERY_MS) {
      last.suppressed += 1;
      return;
    }
    clients.set(id, { at: monotonicNow(), suppressed: 0 });
    const { method, subject, tenant } = identity;
    const who = { method, subject: subject.slice(0, MAX_SUBJECT_CHARS), ...(tenant !== undefined && { tenant }) };
    log.info(
      {
        ...(isNamed(identity) ? { who } : { client: networkOf(address) }),
        ...details,
        ...(last && last.suppressed > 0 && { suppressed: last.suppressed }),
      },
      message,
    );
  };
};
