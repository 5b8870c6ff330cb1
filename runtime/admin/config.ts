import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { createHostPolicy, type HostPolicy } from '../hosts.ts';

export type AdminConfig = {
  readonly host: string;
  readonly port: number;
  /** The addresses from which requests are accepted. */
  readonly allow: BlockList;
  readonly hosts: HostPolicy;
};

const MAX_PREFIX: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/** Adds an address or a network in CIDR notation. Returns false if it is malformed. */
const add = (list: BlockList, text: string): boolean => {
  const [, address = '', prefix] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const version = isIP(address);
  const most = MAX_PREFIX[version];
  if (most === undefined || Number(prefix ?? most) > most) return false;
  list.addSubnet(address, Number(prefix ?? most), version === 4 ? 'ipv4' : 'ipv6');
  return true;
};

const Networks = z.string().transform((text, { addIssue }) => {
  const list = new BlockList();
  const networks = text.split(',').map((network) => network.trim());
  if (!networks.every((network) => add(list, network))) {
    addIssue({ code: 'custom', message: 'must be addresses or networks, e.g. 10.0.0.0/8,::1' });
  }
  return list;
});

/** The variables of the admin endpoints. */
export const ADMIN_SHAPE = {
  ADMIN_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  ADMIN_HOST: z.string().default('127.0.0.1'),
  /** Also for what is served to operators at the main port. */
  ADMIN_ALLOW: Networks.prefault('127.0.0.0/8,::1'),
};

/** Returns the configuration of the admin endpoints; undefined if they are off. */
export const toAdminConfig = (
  { ADMIN_PORT: port, ADMIN_HOST: host, ADMIN_ALLOW: allow }: z.output<z.ZodObject<typeof ADMIN_SHAPE>>,
  allowedHosts: readonly string[] = [],
): AdminConfig | undefined =>
  port === undefined
    ? undefined
    : // Never any name: a page in an operator's browser could reach them by DNS rebinding.
      {
        host,
        port,
        allow,
        hosts: createHostPolicy([host.toLowerCase(), ...allowedHosts].filter((name) => name !== '*')),
      };
