import { monotonicNow } from '../../runtime/clock.ts';
import type { Blocked, Reservation } from './memory.ts';

/** Maximum time for which a refusal is repeated, in milliseconds. A slot may become free earlier than Redis expects. */
const MAX_REPEAT_MS = 250;

/** Maximum number of clients whose refusals are kept for the rate limits of one operation. */
const MAX_CLIENTS = 100;

/** Remembers which reservations Redis has just refused: where hundreds of requests wait, each new one would be a command. */
export type RecentRefusals = {
  /** The refusal of a like reservation, with the time that is left of it. */
  readonly find: (reservation: Reservation) => Blocked | undefined;
  readonly add: (reservation: Reservation, blocked: Blocked) => void;
  /** Forgets all, because slots may have become free. */
  readonly clear: () => void;
};

/** Creates an empty memory of refusals. */
export const createRecentRefusals = (): RecentRefusals => {
  type Refusal = { readonly blocked: Blocked; readonly at: number };
  let refusals = new WeakMap<Reservation['windows'], Map<string, Refusal>>();
  const clientOf = ({ client }: Reservation): string => client?.id ?? '';

  return {
    find: (reservation) => {
      const refusal = refusals.get(reservation.windows)?.get(clientOf(reservation));
      if (!refusal || reservation.mayUseReserve) return undefined;
      const passedMs = monotonicNow() - refusal.at;
      const waitMs = refusal.blocked.waitMs - passedMs;
      if (passedMs >= MAX_REPEAT_MS || waitMs <= 0) return undefined;
      return { ...refusal.blocked, waitMs, recheckMs: MAX_REPEAT_MS - passedMs };
    },
    add: (reservation, blocked) => {
      // The units that others would need are unknown.
      if (reservation.mayUseReserve || reservation.windows.some(({ unit }) => unit === 'cost')) return;
      const known = refusals.get(reservation.windows);
      const ofClients = known && known.size < MAX_CLIENTS ? known : new Map<string, Refusal>();
      refusals.set(reservation.windows, ofClients.set(clientOf(reservation), { blocked, at: monotonicNow() }));
    },
    clear: () => {
      refusals = new WeakMap();
    },
  };
};
