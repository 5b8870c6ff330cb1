import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parse as parseSdl } from 'graphql';
import { z } from 'zod';
import { requiredScopesOf } from '../../gateway/auth/access-rules.ts';
import { type ApiKeyRecord, type ApiKeyRegistry, createApiKey } from '../../gateway/auth/api-key.ts';
import { ApiKeyFileLockedError, createApiKeyFileRegistry } from '../../gateway/auth/api-key-file.ts';
import { readApiKeysConfig } from '../../gateway/auth/auth-config.ts';
import { SUPERGRAPH_FILE } from '../../gateway/supergraph/files.ts';
import { ConfigError, type Env } from '../../runtime/env.ts';
import { createLog } from '../../runtime/log.ts';
import { openKeyAudit, type RecordKeyChange } from './audit-keys.ts';

/** The command cannot be carried out as it was given. The message says why. */
export class UsageError extends Error {}

const USAGE = `Usage:
  npm run keys -- create --name billing --scopes payments:read,deals:read [--tenant north] [--expires 90d | 2027-01-31]
  npm run keys -- list
  npm run keys -- revoke <name>

Keys are stored in the file API_KEYS_FILE, or in Redis (REDIS_URL) with API_KEYS_STORE=redis.`;

export type KeysResult = {
  /** A new key. It cannot be shown again. */
  readonly key?: string;
  /** What was done, for people. */
  readonly text: string;
};

/** Runs one command. Throws UsageError, or ConfigError naming a variable. */
export const runKeysCommand = async (args: readonly string[], env: Env): Promise<KeysResult> => {
  const { values, positionals } = parse(args);
  const [command, name, ...rest] = positionals;
  const takesName = command === 'revoke';
  if (rest.length > 0 || (name !== undefined) !== takesName) throw new UsageError(USAGE);
  const { registry, close } = await openRegistry(env);
  const audit = await openKeyAudit(env);
  try {
    if (command === 'create') {
      // Before the key is stored: it can be shown only once.
      const warning = await describeUnknownScopes(toScopes(values.scopes), env);
      const { key, text } = await create(values, registry, audit.record);
      return { key, text: [...warning, text].join('\n') };
    }
    if (command === 'list') return { text: format(await registry.list()) };
    if (!takesName) throw new UsageError(USAGE);
    if (!(await registry.remove(name ?? ''))) throw new UsageError(`There is no API key named ${name}.`);
    if (!(await audit.record('key.revoked', { name }))) {
      throw new Error(`the API key ${name} is revoked, but the audit log cannot be written.`);
    }
    return { text: `Revoked the API key ${name}. Gateways refuse it within a second.` };
  } catch (error) {
    if (error instanceof ApiKeyFileLockedError) throw new UsageError(error.message);
    throw error;
  } finally {
    await audit.close();
    close();
  }
};

const parse = (args: readonly string[]) => {
  try {
    const text = { type: 'string' } as const;
    const options = { name: text, scopes: text, tenant: text, expires: text };
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch {
    throw new UsageError(USAGE);
  }
};

type Options = ReturnType<typeof parse>['values'];

const create = async (
  { name = '', scopes, tenant, expires }: Options,
  registry: ApiKeyRegistry,
  record: RecordKeyChange,
): Promise<Required<KeysResult>> => {
  const created = toApiKey({ name, scopes: toScopes(scopes), tenant, expiresAt: toExpiry(expires) });
  if (!(await registry.add(created.record))) throw new UsageError(`There is an API key named ${name} already.`);
  if (!(await record('key.created', { name, scopes: created.record.scopes, tenant }))) {
    await registry.remove(name);
    throw new Error('the audit log cannot be written, so there is no new API key.');
  }
  return { key: created.key, text: `Created the API key ${name}. It is shown only once:` };
};

const toScopes = (list = ''): string[] => list.split(',').filter(Boolean);

/** Says which scopes the bundled graph does not know. Those of another graph may be known to its subgraphs only. */
const describeUnknownScopes = async (scopes: readonly string[], env: Env): Promise<readonly string[]> => {
  if (env['SUPERGRAPH']) return [];
  const known = requiredScopesOf(parseSdl(await readFile(SUPERGRAPH_FILE, 'utf8')));
  const unknown = scopes.filter((scope) => !known.has(scope));
  if (unknown.length === 0) return [];
  return [`No field of the graph needs ${unknown.join(', ')}. Its scopes are ${[...known].sort().join(', ')}.`];
};

const toApiKey = (details: Parameters<typeof createApiKey>[0]) => {
  try {
    return createApiKey(details);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    throw new UsageError(`--${String(issue?.path[0])}: ${issue?.message}\n\n${USAGE}`);
  }
};

const DAY_MS = 86_400_000;

const toExpiry = (expires: string | undefined): string | undefined => {
  if (expires === undefined) return undefined;
  const days = /^(\d{1,5})d$/.exec(expires)?.[1];
  const time = days === undefined ? Date.parse(expires) : Date.now() + Number(days) * DAY_MS;
  if (!(time > Date.now()))
    throw new UsageError('--expires: must be in the future, as days (90d) or as a date (2027-01-31)');
  return new Date(time).toISOString();
};

const format = (records: readonly ApiKeyRecord[]): string => {
  if (records.length === 0) return 'There are no API keys.';
  const rows = records.map(({ name, id, scopes, tenant = '-', createdAt, expiresAt = 'never' }) => [
    name,
    `trb_${id}_…`,
    tenant,
    createdAt.slice(0, 10),
    expiresAt.slice(0, 10),
    scopes.join(' '),
  ]);
  const table = [['name', 'key', 'tenant', 'created', 'expires', 'scopes'], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

type OpenRegistry = { readonly registry: ApiKeyRegistry; readonly close: () => void };

const CONNECT_MS = 5_000;

const openRegistry = async (env: Env): Promise<OpenRegistry> => {
  const config = readApiKeysConfig(env);
  if (!config) throw new ConfigError('API_KEYS_FILE: is required, or API_KEYS_STORE=redis');
  if (config.store === 'file') return { registry: createApiKeyFileRegistry(config.path), close: () => {} };
  // Loaded only where it is used.
  const [{ createApiKeyRedisRegistry }, { createRedis }, { readInfrastructureConfig }] = await Promise.all([
    import('../../gateway/auth/api-key-redis.ts'),
    import('../../runtime/redis.ts'),
    import('../../subgraphs/kit/infrastructure.ts'),
  ]);
  const { REDIS_URL: url = '' } = readInfrastructureConfig(env);
  const redis = createRedis({ url, timeoutMs: CONNECT_MS, log: createLog('silent') });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      redis.close();
      reject(new ConfigError('REDIS_URL: Redis cannot be reached'));
    }, CONNECT_MS);
    redis.onReconnect(async ({ client }) => {
      clearTimeout(timer);
      resolve({ registry: createApiKeyRedisRegistry(client), close: redis.close });
    });
  });
};
