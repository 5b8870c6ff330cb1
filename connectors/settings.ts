import { z } from 'zod';
import { ConfigError, type Env, readEach, readEnv } from '../runtime/env.ts';
import type { RateLimitRule } from './middleware/rate-limit.ts';
import type { CachePolicy } from './reads/cache.ts';

/* The configuration of a provider: environment variables that begin with its prefix. */

/** Metadata of a setting beside its schema. The documentation of the variables is generated from it. */
export type SettingDetails = {
  /** One sentence for the documentation, in Markdown. */
  readonly description: string;
  /** A secret may be read from a file and is never logged. */
  readonly isSecret?: boolean;
  /** Setting it makes requests go to the real provider. If no credential is set, the sandbox is used. */
  readonly isCredential?: boolean;
  /** The provider's address, which is the same for all credentials. */
  readonly isAddress?: boolean;
  /** Value for `.env.example`. Default: the setting's default, or nothing. */
  readonly example?: string;
};

type SettingOptions = Pick<SettingDetails, 'example'>;

const details = z.registry<SettingDetails>();

const describe = <Schema extends z.ZodType>(schema: Schema, settingDetails: SettingDetails): Schema => {
  details.add(schema, settingDetails);
  return schema;
};

/** Declares a setting that is not a credential. */
export const setting = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  options: SettingOptions = {},
): Schema => describe(schema, { description, ...options });

/** Declares a credential that is not secret, such as a user name. */
export const credential = <Schema extends z.ZodType>(schema: Schema, description: string): Schema =>
  describe(schema, { description, isCredential: true });

/** Declares the provider's address. Setting it makes requests go to the real provider. */
export const address = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  options: SettingOptions = {},
): Schema => describe(schema, { description, isCredential: true, isAddress: true, ...options });

/** Declares a secret credential. */
export const secret = <Schema extends z.ZodType>(schema: Schema, description: string): Schema =>
  describe(schema, { description, isCredential: true, isSecret: true });

export const detailsOf = (schema: z.ZodType): SettingDetails => details.get(schema) ?? { description: '' };

/** Schema for an http or https URL. */
export const url = () => z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** A cache policy in seconds; each figure is the maximum age for that use. See RFC 9111 and RFC 5861. */
export type CachePolicySeconds = {
  readonly maxAge: number;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
};

export type SettingsShape = Readonly<Record<string, z.ZodType>>;

/** The part of a provider's definition that determines its configuration. */
export type ConfigurableProvider<Shape extends SettingsShape = SettingsShape, Policy extends string = string> = {
  /** Prefix of the provider's variables, e.g. `STRIPE`. */
  readonly envPrefix: string;
  /** The provider's own settings, by variable name without the prefix. */
  readonly settings: Shape;
  /** Checks the credentials against each other. Throws ConfigError. */
  readonly checkCredentials?: ((credentials: Partial<Settings<Shape>>) => void) | undefined;
  readonly defaults: {
    /** Timeout of one request, in milliseconds, from sending it to the last byte of the response. */
    readonly timeoutMs: number;
    /** Maximum number of concurrent requests. */
    readonly concurrency: number;
  };
  readonly rateLimits: readonly RateLimitRule[];
  readonly cachePolicies: Readonly<Record<Policy, CachePolicySeconds>>;
  /** Paragraphs for the generated documentation: an introduction, and a note on the rate limits. */
  readonly notes?: { readonly intro?: string; readonly rateLimits?: string };
};

/** The part of a definition whose type does not depend on the provider. */
export type AnyConfigurable = Pick<
  ConfigurableProvider,
  'envPrefix' | 'settings' | 'defaults' | 'rateLimits' | 'cachePolicies' | 'notes'
>;

/** The values of the provider's own settings, by variable name without the prefix. */
export type Settings<Shape extends SettingsShape> = { readonly [Name in keyof Shape]: z.output<Shape[Name]> };

/** The values of the settings that every provider has. */
export type CommonSettings<Policy extends string> = {
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly rateLimits: readonly RateLimitRule[];
  readonly cachePolicies: Readonly<Record<Policy, CachePolicy>>;
};

const rateLimitsText = (rules: readonly RateLimitRule[]): string =>
  rules
    .filter(({ calls }) => Number.isFinite(calls))
    .map(({ name, calls, windowMs }) => `${name}=${calls}/${windowMs / 1000}`)
    .join(',');

const cachePoliciesText = (policies: Readonly<Record<string, CachePolicySeconds>>): string =>
  Object.entries(policies)
    .map(([name, { maxAge, staleWhileRevalidate, staleIfError }]) => {
      return `${name}=${maxAge}/${staleWhileRevalidate}/${staleIfError}`;
    })
    .join(',');

/** The settings that every provider has, by variable name without the prefix. */
const commonSettings = ({ defaults, rateLimits, cachePolicies, notes }: AnyConfigurable) => ({
  TIMEOUT_MS: setting(
    z.coerce.number().int().positive().default(defaults.timeoutMs),
    'How long one request may take, in milliseconds.',
    { example: `${defaults.timeoutMs}` },
  ),
  QUOTA: setting(
    rateLimitsVariable(rateLimits),
    ['Requests and seconds of each rate limit.', notes?.rateLimits].filter(Boolean).join(' '),
    { example: rateLimitsText(rateLimits) },
  ),
  CONCURRENCY: setting(z.coerce.number().int().min(1).max(1_000).default(defaults.concurrency), 'Requests at once.', {
    example: `${defaults.concurrency}`,
  }),
  CACHE: setting(
    cachePoliciesVariable(cachePolicies),
    'Seconds that each type is fresh, served stale while it is refreshed, and served stale if the provider fails. 0 caches nothing.',
    { example: cachePoliciesText(cachePolicies) },
  ),
});

/** Returns all settings of a provider by variable name, in the order of the documentation. */
export const settingsOf = (provider: AnyConfigurable): Readonly<Record<string, z.ZodType>> =>
  Object.fromEntries(
    Object.entries({ ...provider.settings, ...commonSettings(provider) }).map(([name, schema]) => [
      `${provider.envPrefix}_${name}`,
      schema,
    ]),
  );

/** Returns the schema of all variables of a provider. */
export const variablesOf = (provider: AnyConfigurable) => z.object(settingsOf(provider));

const namesWhere = (
  { envPrefix, settings }: AnyConfigurable,
  predicate: (setting: SettingDetails) => boolean,
): string[] =>
  Object.entries(settings).flatMap(([name, schema]) => (predicate(detailsOf(schema)) ? [`${envPrefix}_${name}`] : []));

/** Returns the names of the variables that may be read from files. */
export const secretsOf = (provider: AnyConfigurable): string[] =>
  namesWhere(provider, ({ isSecret = false }) => isSecret);

/** Returns the names of the credential variables. If none of them is set, the sandbox is used. */
export const credentialsOf = (provider: AnyConfigurable): string[] =>
  namesWhere(provider, ({ isCredential = false }) => isCredential);

/** Returns the names of the credential variables that say where the provider is. */
export const addressesOf = (provider: AnyConfigurable): string[] =>
  namesWhere(provider, ({ isAddress = false }) => isAddress);

/** Returns the names of the credential variables that belong to an account: all but the provider's address. */
export const accountCredentialsOf = (provider: AnyConfigurable): string[] =>
  namesWhere(provider, ({ isCredential = false, isAddress = false }) => isCredential && !isAddress);

/** Replaces all configured credentials except the provider's address by those of a client request. */
export const withCredentials = <Values extends Readonly<Record<string, unknown>>>(
  { settings }: Pick<AnyConfigurable, 'settings'>,
  configured: Values | undefined,
  own: Readonly<Record<string, unknown>>,
): Values => {
  const remaining = Object.entries(configured ?? {}).filter(([name]) => {
    const { isCredential = false, isAddress = false } = settings[name] ? detailsOf(settings[name]) : {};
    return !isCredential || isAddress;
  });
  return { ...Object.fromEntries(remaining), ...own } as Values;
};

/** Reads a provider's variables. Throws ConfigError naming each that is missing, malformed or in conflict with another. */
export const readSettings = <Shape extends SettingsShape, Policy extends string>(
  provider: ConfigurableProvider<Shape, Policy>,
  env: Env,
): Settings<Shape> & CommonSettings<Policy> => {
  const { envPrefix, settings, checkCredentials } = provider;
  const variables = variablesOf(provider);
  const secrets = secretsOf(provider);
  const [values] = readEach(
    (): Readonly<Record<string, unknown>> => readEnv(variables, env, secrets),
    () => checkCredentials?.(readCredentials(provider, env)),
  );
  const settingOf = (name: string) => values[`${envPrefix}_${name}`];
  return {
    ...Object.fromEntries(Object.keys(settings).map((name) => [name, settingOf(name)])),
    timeoutMs: settingOf('TIMEOUT_MS'),
    concurrency: settingOf('CONCURRENCY'),
    rateLimits: settingOf('QUOTA'),
    cachePolicies: settingOf('CACHE'),
  } as Settings<Shape> & CommonSettings<Policy>;
};

/** Reads each credential separately, so that they are checked even if another variable is malformed. */
const readCredentials = <Shape extends SettingsShape, Policy extends string>(
  provider: ConfigurableProvider<Shape, Policy>,
  env: Env,
): Partial<Settings<Shape>> => {
  const secrets = new Set(secretsOf(provider));
  const entries = credentialsOf(provider).flatMap((variable) => {
    const name = variable.slice(provider.envPrefix.length + 1);
    const shape = { [variable]: provider.settings[name] as z.ZodType };
    try {
      const values = readEnv(z.object(shape), env, secrets.has(variable) ? [variable] : []);
      return [[name, values[variable]]];
    } catch (error) {
      // `readSettings` reports malformed values. Here they count as set.
      if (error instanceof ConfigError && env[variable]) return [[name, env[variable]]];
      if (error instanceof ConfigError) return [];
      throw error;
    }
  });
  return Object.fromEntries(entries) as Partial<Settings<Shape>>;
};

/** Maximum time for which a missing object is cached, in seconds. */
const MAX_NEGATIVE_TTL_S = 10;

const toCachePolicy = ({ maxAge, staleWhileRevalidate, staleIfError }: CachePolicySeconds): CachePolicy => ({
  maxAgeMs: maxAge * 1000,
  staleWhileRevalidateMs: staleWhileRevalidate * 1000,
  staleIfErrorMs: staleIfError * 1000,
  negativeTtlMs: Math.min(maxAge, MAX_NEGATIVE_TTL_S) * 1000,
});

/** Parses `a=x,b=y`. */
const pairsOf = (text: string): (readonly [name: string, value: string])[] =>
  text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [name = '', value = ''] = part.split('=');
      return [name.trim(), value.trim()] as const;
    });

const SECONDS = /^\d+(\.\d+)?$/;

/**
 * Schema of the variable that overrides cache policies, e.g. `contacts=60/120/3600,deals=0`: seconds fresh, stale while
 * revalidating, and stale if the provider fails. An omitted age equals the one before it; 0 turns off caching.
 */
const cachePoliciesVariable = (defaults: Readonly<Record<string, CachePolicySeconds>>) =>
  z
    .string()
    .default('')
    .transform((text, { addIssue }) => {
      const policies = new Map(Object.entries(defaults));
      for (const [type, value] of pairsOf(text)) {
        const ages = value.split('/');
        const [maxAge = 0, staleWhileRevalidate = maxAge, staleIfError = staleWhileRevalidate] = ages.map(Number);
        const isUsable =
          ages.length <= 3 &&
          ages.every((age) => SECONDS.test(age)) &&
          maxAge <= staleWhileRevalidate &&
          staleWhileRevalidate <= staleIfError;
        if (!policies.has(type)) {
          addIssue({ code: 'custom', message: `must use only these types: ${Object.keys(defaults).join(', ')}` });
        } else if (!isUsable) {
          addIssue({
            code: 'custom',
            message: `${type} must be one to three non-decreasing ages in seconds, e.g. ${type}=60/120/3600`,
          });
        } else {
          policies.set(type, { maxAge, staleWhileRevalidate, staleIfError });
        }
      }
      return Object.fromEntries([...policies].map(([type, ages]) => [type, toCachePolicy(ages)]));
    });

/**
 * Schema of the variable that overrides rate limits, e.g. `account=50/1,search=4/1`: requests and seconds. Limits set here are
 * not raised by limits that the provider reports.
 */
const rateLimitsVariable = (defaults: readonly RateLimitRule[]) =>
  z
    .string()
    .default('')
    .transform((text, { addIssue }) => {
      const rules = new Map(defaults.map((rule) => [rule.name, rule]));
      for (const [name, value] of pairsOf(text)) {
        const rule = rules.get(name);
        const [, calls, seconds] = /^([1-9]\d*)\/(\d+(?:\.\d+)?)$/.exec(value) ?? [];
        if (!rule) {
          addIssue({ code: 'custom', message: `must use only these limits: ${[...rules.keys()].join(', ')}` });
        } else if (!calls || Number(seconds) <= 0) {
          addIssue({ code: 'custom', message: `${name} must be requests and seconds, e.g. ${name}=100/10` });
        } else {
          rules.set(name, { ...rule, calls: Number(calls), windowMs: Number(seconds) * 1000, isOperatorSet: true });
        }
      }
      return [...rules.values()];
    });
