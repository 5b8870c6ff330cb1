import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Identity } from '../../subgraphs/kit/identity.ts';

/**
 * Returns a digest that identifies a client: the sender if authenticated, else the address. An IPv6 address counts by its
 * first 64 bits, because a single host usually has all addresses that begin with them.
 */
export const clientOf = ({ method, subject, tenant, claims }: Identity, address: string): string => {
  const isNamed = method !== 'none' && method !== 'anonymous';
  // A token's subject is unique only for its issuer.
  const sender = isNamed ? [method, subject, method === 'jwt' ? claims['iss'] : undefined] : [networkOf(address)];
  return createHash('sha256')
    .update(JSON.stringify([...sender, tenant]))
    .digest('base64url')
    .slice(0, 22);
};

const networkOf = (address: string): string => {
  const [host = ''] = address.split('%');
  if (!isIPv6(host)) return host;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = host.split('::');
  const groupsOf = (text: string | undefined) => (text ? text.split(':') : []);
  // An embedded IPv4 address stands for two groups.
  const after = groupsOf(tail).flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));
  const before = groupsOf(head);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
};
