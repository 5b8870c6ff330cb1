import { monotonicNow } from './clock.ts';

/** A client of the gateway, as shared resources see it. */
export type Client = {
  /** A digest: names and addresses are not passed on. */
  readonly id: string;
  /** Its share relative to other clients. */
  readonly weight: number;
};

/** The client of requests that name none. */
export const UNKNOWN_CLIENT: Client = { id: '', weight: 1 };

/**
 * A client's recent use beside that of others. `heavy`: above its fair share. `light`: at most half of it. `even`: between
 * them, or no other client is active.
 */
export type ClientStanding = 'light' | 'even' | 'heavy';

/** Recent use by client. */
export type ClientUsage = {
  /** Recent use in units, divided by the client's weight. 0 for a client without use. */
  readonly of: (client: Client) => number;
  /** Adds units, which may be negative, and counts the client as active. */
  readonly add: (client: Client, units: number) => void;
  readonly standingOf: (client: Client) => ClientStanding;
  /** Whether more than one client is active. */
  readonly isShared: () => boolean;
  /** The client's part of all active clients' weights, from 0 to 1. */
  readonly fairShareOf: (client: Client) => number;
};

/** Time in which recorded use decays to half, in milliseconds. */
export const USAGE_HALF_LIFE_MS = 10_000;

/** Time for which a client counts as active after a request, in milliseconds. */
export const CLIENT_ACTIVE_MS = 60_000;

/** Maximum number of clients whose use is recorded. Beyond it, the one that has been idle for longest is dropped. */
export const MAX_CLIENTS = 1_000;

/** Part of a shared resource that heavy clients leave to others. */
const RESERVED_PART = 1 / 4;

/** Returns how much of `capacity` heavy clients leave to others: a quarter, at least 1, but nothing of a single unit. */
export const reserveOf = (capacity: number): number =>
  capacity < 2 ? 0 : Math.max(1, Math.floor(capacity * RESERVED_PART));

type Use = { units: number; weight: number; at: number };

/** Creates a record of recent use, which decays exponentially. */
export const createClientUsage = ({ now = monotonicNow }: { readonly now?: () => number } = {}): ClientUsage => {
  // In order of the latest request.
  const uses = new Map<string, Use>();
  let total = 0;
  let totalAt = now();
  let totalWeight = 0;

  const decayed = (units: number, since: number): number =>
    units === 0 ? 0 : units * 2 ** (Math.min(0, since - now()) / USAGE_HALF_LIFE_MS);

  const setTotal = (units: number) => {
    total = Math.max(0, units);
    totalAt = now();
  };

  const drop = (id: string, use: Use) => {
    uses.delete(id);
    totalWeight = uses.size === 0 ? 0 : totalWeight - use.weight;
    setTotal(uses.size === 0 ? 0 : decayed(total, totalAt) - decayed(use.units, use.at));
  };

  const dropIdle = () => {
    for (const [id, use] of uses) {
      if (uses.size <= MAX_CLIENTS && use.at > now() - CLIENT_ACTIVE_MS) return;
      drop(id, use);
    }
  };

  const unitsOf = ({ id }: Client): number => {
    const use = uses.get(id);
    return use ? decayed(use.units, use.at) : 0;
  };

  const isShared = (): boolean => {
    dropIdle();
    return uses.size > 1;
  };

  return {
    of: (client) => unitsOf(client) / client.weight,
    add: (client, units) => {
      const before = unitsOf(client);
      const known = uses.get(client.id);
      if (known) drop(client.id, known);
      const next = Math.max(0, before + units);
      setTotal(decayed(total, totalAt) + next);
      totalWeight += client.weight;
      uses.set(client.id, { units: next, weight: client.weight, at: now() });
      dropIdle();
    },
    standingOf: (client) => {
      if (!isShared()) return 'even';
      const use = unitsOf(client) / client.weight;
      const fairUse = decayed(total, totalAt) / totalWeight;
      // Sums of decayed numbers are not exact.
      if (use > fairUse * 1.000_001) return 'heavy';
      return use <= fairUse / 2 ? 'light' : 'even';
    },
    isShared,
    fairShareOf: ({ id, weight }) => {
      dropIdle();
      return weight / (totalWeight + (uses.has(id) ? 0 : weight));
    },
  };
};
