import { isIPv4, isIPv6 } from 'node:net';
import type { Identity } from '../../subgraphs/kit/identity.ts';

/** The client of a request, as limits and the fair queue distinguish clients. */
export type Client = {
  /** The sender's method, tenant and subject, or the address of a sender who is not known. */
  readonly id: string;
  /** The client's share of what clients compete for, relative to other clients. */
  readonly weight: number;
};

const DEFAULT_WEIGHT = 1;
const ADDRESS = 'address ';

/** Returns the client of a request: its authenticated sender, or its address. An IPv6 address counts by its /64 network. */
export const clientOf = ({ method, subject, tenant = '' }: Identity, address: string): Client => {
  const isKnown = method !== 'none' && method !== 'anonymous';
  // Neither a method nor a tenant contains spaces.
  return { id: isKnown ? `${method} ${tenant} ${subject}` : `${ADDRESS}${networkOf(address)}`, weight: DEFAULT_WEIGHT };
};

/** Returns the address that identifies a client, if it is not known by name. */
export const addressOf = (id: string): string | undefined =>
  id.startsWith(ADDRESS) ? id.slice(ADDRESS.length) : undefined;

/** Returns the part of an address that one client cannot change: providers assign each customer a /64 or more. */
const networkOf = (address: string): string => {
  // The zone of a link-local address.
  const [bare = ''] = address.split('%');
  const mapped = bare.slice(bare.lastIndexOf(':') + 1);
  if (isIPv4(mapped)) return mapped;
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.split('::');
  const before = head.split(':').filter(Boolean);
  const after = tail?.split(':').filter(Boolean) ?? [];
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => '0');
  const groups = [...before, ...zeros, ...after].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
};
