import { isIP, isIPv6 } from 'node:net';

/** The port stays out of it: which names lead here is what matters. */
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,255})(?::[0-9]{1,5})?$/i;

/** The name or address in a `Host` header, in lower case and without the port; undefined where it is malformed. */
export const hostNameOf = (header: string): string | undefined => {
  const name = HOST.exec(header)?.[1]?.toLowerCase();
  if (!name?.startsWith('[')) return name;
  return isIPv6(name.slice(1, -1)) ? name : undefined;
};

/**
 * Whether a name always leads where it says, so that no web page of another site can make it lead here.
 *
 * DNS rebinding needs a name whose address its owner can change: a page on that name then counts as of the same origin
 * as a server on this machine. An IP address is no such name, and neither is `localhost` (RFC 6761, section 6.3).
 */
const isOperatorSet = (name: string): boolean =>
  name.startsWith('[') || isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost');

export type HostPolicy = {
  /** Whether requests with this name are served. */
  readonly isAllowed: (name: string) => boolean;
  /** Whether the name is one of ours for certain, and may stand in what others are told. */
  readonly isKnown: (name: string) => boolean;
};

/** Allows IP addresses, `localhost` and the given names; `*` allows every name, and makes none of them known. */
export const createHostPolicy = (names: readonly string[]): HostPolicy => {
  const own = new Set(names);
  const isKnown = (name: string) => isOperatorSet(name) || own.has(name);
  return { isKnown, isAllowed: own.has('*') ? () => true : isKnown };
};
