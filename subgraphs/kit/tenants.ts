import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { z } from 'zod';
import type { AnyProvider } from '../../connectors/define-provider.ts';
import {
  type AnyConfigurable,
  accountCredentialsOf,
  credentialsOf,
  readSettings,
  secretsOf,
} from '../../connectors/settings.ts';
import { ConfigError, type Env, namesOfSet } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { watchPaths } from '../../runtime/watch-files.ts';
import { loadYaml } from '../../runtime/yaml.ts';

/** The variables of one tenant, by name, e.g. `STRIPE_API_KEY_FILE`. */
type TenantEnv = Readonly<Record<string, string>>;

/** The settings of a provider, for one tenant. */
export type TenantSettings = Readonly<Record<string, unknown>>;

/** The tenants of a process, with their own credentials at the providers. */
export type Tenants = {
  readonly has: (tenant: string) => boolean;
  /** Whether every request has to belong to a tenant, because there are providers that are called for tenants only. */
  readonly isRequired: boolean;
  /** Returns a tenant's settings for a provider. Undefined if it has no credential there, or does not exist. */
  readonly settingsOf: (tenant: string, provider: string) => TenantSettings | undefined;
  readonly close: () => void;
};

type TenantsOptions = {
  /** The YAML file: variables by tenant. */
  readonly file: string;
  /** The variables that all tenants share: addresses, limits. */
  readonly env: Env;
  /** All providers, whose variables the file may have. */
  readonly providers: readonly AnyProvider[];
  /** Those that this process calls. */
  readonly called: readonly AnyProvider[];
  readonly log: Log;
};

/** Whether a provider is called for tenants only: TENANTS is set, and nothing but the provider's address is configured. */
export const isForTenantsOnly = (provider: AnyConfigurable, env: Env): boolean =>
  Boolean(env['TENANTS']) && namesOfSet(accountCredentialsOf(provider), env).length === 0;

/** Whether a text can name a tenant: up to 64 letters, digits, dots, dashes and underscores. */
export const isTenantName = (text: string): boolean => /^[\w.-]{1,64}$/.test(text);

const TenantsFile = z.record(
  z.string().refine(isTenantName),
  z.record(z.string(), z.union([z.string(), z.number()]).transform(String)),
);

/** Tenants that are checked before other work is let in. */
const TENANTS_AT_ONCE = 50;

type Read = {
  readonly tenants: ReadonlyMap<string, ReadonlyMap<string, TenantSettings>>;
  /** The files that were read: that of the tenants, and those with their secrets. */
  readonly files: readonly string[];
  /** Differs for each version of what was read. */
  readonly digest: string;
};

/**
 * Opens the file of tenants, and reads it again when it or a file with a secret changes. If it is invalid then, that is logged,
 * and the tenants stay as they were. Throws ConfigError if the file is invalid at first.
 */
const openTenants = async (options: TenantsOptions): Promise<Tenants> => {
  let read = await readTenants(options);
  const stopWatching = watchPaths(() => read.files, {
    log: options.log,
    variables: ['TENANTS'],
    reload: async () => {
      const before = read.digest;
      read = await readTenants(options);
      return read.digest !== before;
    },
  });
  return {
    has: (tenant) => read.tenants.has(tenant),
    isRequired: options.called.some((provider) => isForTenantsOnly(provider, options.env)),
    settingsOf: (tenant, provider) => read.tenants.get(tenant)?.get(provider),
    close: stopWatching,
  };
};

/** Opens the file that TENANTS names. Undefined if it names none. Throws ConfigError. */
export const openConfiguredTenants = (options: Omit<TenantsOptions, 'file'>): Promise<Tenants> | undefined => {
  const file = options.env['TENANTS'];
  return file ? openTenants({ ...options, file }) : undefined;
};

const readTenants = async ({ file, env, providers, called }: TenantsOptions): Promise<Read> => {
  const found = await readTenantsFile(file);
  const known = new Set(providers.flatMap((provider) => variablesOf(provider)));
  // A tenant never gets the configured credentials, also where it has none of its own.
  const common = withoutCredentials(env, called);
  const required = called.filter((provider) => isForTenantsOnly(provider, env));
  const tenants = new Map<string, ReadonlyMap<string, TenantSettings>>();
  const problems: string[] = [];
  for (const [tenant, variables] of Object.entries(found)) {
    if (tenants.size % TENANTS_AT_ONCE === 0) await yieldToOthers();
    const unknown = Object.keys(variables).filter((name) => !known.has(name));
    // A name that is none may be a secret in the wrong place.
    const shown = unknown.map((name) => (/^[A-Z][A-Z0-9_]{0,63}$/.test(name) ? name : 'a name that is none'));
    if (shown.length > 0) problems.push(`${tenant} has unknown variables: ${shown.join(', ')}`);
    try {
      tenants.set(tenant, settingsOfTenant(called, required, common, variables));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.message.split('\n').map((problem) => `${tenant}: ${problem}`));
    }
  }
  const [first] = required;
  if (first && tenants.size + problems.length === 0) {
    problems.push(`must have a tenant, as there is no other credential: ${accountCredentialsOf(first).join(', ')}`);
  }
  if (problems.length > 0) throw new ConfigError(problems.map((problem) => `TENANTS: ${problem}`).join('\n'));
  const settings = [...tenants].map(([tenant, ofProviders]) => [tenant, [...ofProviders]]);
  const secretFiles = Object.values(found).flatMap((variables) =>
    Object.entries(variables).flatMap(([name, value]) => (name.endsWith('_FILE') ? [value] : [])),
  );
  return {
    tenants,
    files: [file, ...secretFiles],
    digest: createHash('sha256').update(JSON.stringify(settings)).digest('hex'),
  };
};

const readTenantsFile = async (file: string): Promise<z.output<typeof TenantsFile>> => {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ConfigError('TENANTS: the file cannot be read.', { cause });
  });
  try {
    return TenantsFile.parse(loadYaml().parse(text) ?? {});
  } catch {
    // The parser's message would show what is in the file.
    throw new ConfigError('TENANTS: must be a YAML file with variables by tenant, e.g. acme: { STRIPE_API_KEY: … }.');
  }
};

/** The variables that a tenant may have of a provider. */
const variablesOf = (provider: AnyProvider): string[] => [
  ...credentialsOf(provider),
  ...secretsOf(provider).map((name) => `${name}_FILE`),
];

const withoutCredentials = (env: Env, providers: readonly AnyProvider[]): Env => {
  const common = { ...env };
  for (const provider of providers) {
    for (const name of accountCredentialsOf(provider)) {
      delete common[name];
      delete common[`${name}_FILE`];
    }
  }
  return common;
};

const settingsOfTenant = (
  providers: readonly AnyProvider[],
  required: readonly AnyProvider[],
  common: Env,
  variables: TenantEnv,
): ReadonlyMap<string, TenantSettings> =>
  new Map(
    providers.flatMap((provider) => {
      const hasCredential = namesOfSet(credentialsOf(provider), variables).length > 0;
      if (!hasCredential && !required.includes(provider)) return [];
      return [[provider.name, readSettings(provider, { ...common, ...variables }) as TenantSettings]];
    }),
  );
