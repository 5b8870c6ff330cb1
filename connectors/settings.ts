import { z } from 'zod';
import { ConfigError, type Env, readEach, readEnv } from '../runtime/env.ts';
import type { RateLimitRule } from './middleware/rate-limit.ts';
import type { CachePolicy } from './reads/cache.ts';

/*
 * The configuration of a provider: environment variables that begin with its prefix.
 */

/** What a setting is, beside its schema. The documentation of the variables is generated from it. */
export type SettingDetails = {
  /** One sentence for the documentation, in Markdown. */
  readonly description: string;
  /** A secret may come from a file, and is never logged. */
  readonly isSecret?: boolean;
  /** Setting it says that the provider is to be called for real; with none set, its sandbox is used. */
  readonly isCredential?: boolean;
  /** Where the provider is, which is the same for other credentials. */
  readonly isAddress?: boolean;
  /** For `.env.example`. Default: the default value, or nothing. */
  readonly example?: string;
};

type Further = Pick<SettingDetails, 'example'>;

const details = z.registry<SettingDetails>();

const describe = <Schema extends z.ZodType>(schema: Schema, given: SettingDetails): Schema => {
  details.add(schema, given);
  return schema;
};

/** A setting that is no credential. */
export const setting = <Schema extends z.ZodType>(schema: Schema, description: string, further: Further = {}): Schema =>
  describe(schema, { description, ...further });

/** A setting that gives access to the provider. */
export const credential = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  further: Further = {},
): Schema => describe(schema, { description, isCredential: true, ...further });

/** A setting that says where the provider is. It implies that the provider is called for real. */
export const address = <Schema extends z.ZodType>(schema: Schema, description: string, further: Further = {}): Schema =>
  describe(schema, { description, isCredential: true, isAddress: true, ...further });

/** A setting that gives access and is secret. */
export const secret = <Schema extends z.ZodType>(schema: Schema, description: string): Schema =>
  describe(schema, { description, isCredential: true, isSecret: true });

export const detailsOf = (schema: z.ZodType): SettingDetails => details.get(schema) ?? { description: '' };

/** An http or https URL. */
export const url = () => z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** The ages of a cache policy, in seconds. See RFC 9111 and RFC 5861. */
export type CachePolicySeconds = {
  readonly maxAge: number;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
};

export type SettingsShape = Readonly<Record<string, z.ZodType>>;

/** The part of a provider's definition that its configuration follows from. */
export type ConfigurableProvider<Shape extends SettingsShape = SettingsShape, Policy extends string = string> = {
  /** What all of its variables begin with, e.g. `STRIPE`. */
  readonly envPrefix: string;
  /** By the variable's name without the prefix. */
  readonly settings: Shape;
  /** Checks the credentials against each other. Throws ConfigError. */
  readonly checkCredentials?: ((credentials: Partial<Settings<Shape>>) => void) | undefined;
  readonly defaults: {
    /** How long one request may take, in milliseconds, from its sending to the last byte of the response. */
    readonly timeoutMs: number;
    /** Requests at once. */
    readonly concurrency: number;
  };
  readonly rateLimits: readonly RateLimitRule[];
  readonly cachePolicies: Readonly<Record<Policy, CachePolicySeconds>>;
  /** Paragraphs for the documentation of the variables: before them all, and about the rate limits. */
  readonly notes?: { readonly intro?: string; readonly rateLimits?: string };
};

/** The part of a definition that has the same type for every provider. */
export type AnyConfigurable = Pick<
  ConfigurableProvider,
  'envPrefix' | 'settings' | 'defaults' | 'rateLimits' | 'cachePolicies' | 'notes'
>;

/** The provider's own settings, by the variables' names without the prefix. */
export type Settings<Shape extends SettingsShape> = { readonly [Name in keyof Shape]: z.output<Shape[Name]> };

/** What every provider can be configured in. */
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

/** The variables that every provider has, by their names without the prefix. */
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

/** All settings of a provider by their variables' names, in the order of the documentation. */
export const settingsOf = (provider: AnyConfigurable): Readonly<Record<string, z.ZodType>> =>
  Object.fromEntries(
    Object.entries({ ...provider.settings, ...commonSettings(provider) }).map(([name, schema]) => [
      `${provider.envPrefix}_${name}`,
      schema,
    ]),
  );

/** The variables of a provider, by their whole names. */
export const variablesOf = (provider: AnyConfigurable) => z.object(settingsOf(provider));

const namesWhere = ({ envPrefix, settings }: AnyConfigurable, isMeant: (given: SettingDetails) => boolean): string[] =>
  Object.entries(settings).flatMap(([name, schema]) => (isMeant(detailsOf(schema)) ? [`${envPrefix}_${name}`] : []));

/** The variables that may come from files. */
export const secretsOf = (provider: AnyConfigurable): string[] =>
  namesWhere(provider, ({ isSecret = false }) => isSecret);

/** The variables that give access to the provider. With none of them set, its sandbox is used. */
export const credentialsOf = (provider: AnyConfigurable): string[] =>
  namesWhere(provider, ({ isCredential = false }) => isCredential);

/** The settings with the credentials of another: none of the configured ones is left, but for where the provider is. */
export const withCredentials = <Given extends Readonly<Record<string, unknown>>>(
  { settings }: Pick<AnyConfigurable, 'settings'>,
  configured: Given,
  own: Readonly<Record<string, unknown>>,
): Given => {
  const kept = Object.entries(configured).filter(([name]) => {
    const { isCredential = false, isAddress = false } = settings[name] ? detailsOf(settings[name]) : {};
    return !isCredential || isAddress;
  });
  return { ...Object.fromEntries(kept), ...own } as Given;
};

/** Reads a provider's variables. Throws ConfigError naming each that is missing, malformed or in the way of another. */
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
  const of = (name: string) => values[`${envPrefix}_${name}`];
  return {
    ...Object.fromEntries(Object.keys(settings).map((name) => [name, of(name)])),
    timeoutMs: of('TIMEOUT_MS'),
    concurrency: of('CONCURRENCY'),
    rateLimits: of('QUOTA'),
    cachePolicies: of('CACHE'),
  } as Settings<Shape> & CommonSettings<Policy>;
};

/** Reads the credentials alone and each by itself, so that they are checked also where another variable is malformed. */
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
      // That it is malformed is reported elsewhere; here it counts as set.
      if (error instanceof ConfigError && env[variable]) return [[name, env[variable]]];
      if (error instanceof ConfigError) return [];
      throw error;
    }
  });
  return Object.fromEntries(entries) as Partial<Settings<Shape>>;
};

/** The longest that a provider is believed to have nothing under a key, in seconds. */
const MAX_NEGATIVE_TTL_S = 10;

const toCachePolicy = ({ maxAge, staleWhileRevalidate, staleIfError }: CachePolicySeconds): CachePolicy => ({
  maxAgeMs: maxAge * 1000,
  staleWhileRevalidateMs: staleWhileRevalidate * 1000,
  staleIfErrorMs: staleIfError * 1000,
  negativeTtlMs: Math.min(maxAge, MAX_NEGATIVE_TTL_S) * 1000,
});

/** Reads `a=x,b=y`. */
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
 * A variable that changes cache policies, as in `contacts=60/120/3600,deals=0`: seconds fresh, stale while revalidating, and
 * stale if the provider fails. Ages that are left out are those before them; 0 caches nothing.
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
          addIssue({ code: 'custom', message: `must name types of ${Object.keys(defaults).join(', ')}` });
        } else if (!isUsable) {
          addIssue({ code: 'custom', message: `${type} must be ages in seconds that grow, as in ${type}=60/120/3600` });
        } else {
          policies.set(type, { maxAge, staleWhileRevalidate, staleIfError });
        }
      }
      return Object.fromEntries([...policies].map(([type, ages]) => [type, toCachePolicy(ages)]));
    });

/**
 * A variable that changes rate limits, as in `account=50/1,search=4/1`: requests and seconds. What is set here is not raised
 * by what the provider says.
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
          addIssue({ code: 'custom', message: `must name limits of ${[...rules.keys()].join(', ')}` });
        } else if (!calls || Number(seconds) <= 0) {
          addIssue({ code: 'custom', message: `${name} must be calls and seconds, as in ${name}=100/10` });
        } else {
          rules.set(name, { ...rule, calls: Number(calls), windowMs: Number(seconds) * 1000, isOperatorSet: true });
        }
      }
      return [...rules.values()];
    });
