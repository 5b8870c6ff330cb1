import { isIP, isIPv6 } from 'node:net';

/** Matches a `Host` header. The port is ignored, because only the name matters for DNS rebinding. */
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,255})(?::[0-9]{1,5})?$/i;

/** Returns the host name or address of a `Host` header, lowercased and without the port. Undefined if malformed. */
export const hostNameOf = (header: string): string | undefined => {
  const name = HOST.exec(header)?.[1]?.toLowerCase();
  if (!name?.startsWith('[')) return name;
  return isIPv6(name.slice(1, -1)) ? name : undefined;
};

/**
 * Returns whether a name is immune to DNS rebinding.
 *
 * DNS rebinding needs a name whose address its owner can change, so that a page under that name has the same origin as a server
 * on this machine. This is impossible for IP addresses and for `localhost` (RFC 6761, section 6.3).
 */
const isRebindingSafe = (name: string): boolean =>
  name.startsWith('[') || isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost');

export type HostPolicy = {
  /** Returns whether requests for this name are served. */
  readonly isAllowed: (name: string) => boolean;
  /** Returns whether the name is certainly ours, so that it may appear in responses. */
  readonly isKnown: (name: string) => boolean;
};

/** Creates a policy that allows IP addresses, `localhost` and the given names. `*` allows every name but makes none known. */
export const createHostPolicy = (names: readonly string[]): HostPolicy => {
  const allowedNames = new Set(names);
  const isKnown = (name: string) => isRebindingSafe(name) || allowedNames.has(name);
  return { isKnown, isAllowed: allowedNames.has('*') ? () => true : isKnown };
};
