import { isIPv6 } from 'node:net';

/**
 * Returns the part of an IP address that one client cannot change: of IPv6 the first 64 bits, because providers assign each customer a
 * /64 or more. An IPv4 address is returned as it is.
 */
export const networkOf = (address: string): string => {
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
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
};
