import { z } from 'zod';
import type { RateLimitRule } from '../../connectors/middleware/rate-limit.ts';
import type { CachePolicy } from '../../connectors/reads/cache.ts';

/** Ages in seconds: fresh up to, refreshed up to, kept up to. */
export type CachePolicySeconds = readonly [fresh: number, refresh: number, keep: number];

/** It is believed for so long at most that a provider has nothing of a key, in milliseconds. */
const MAX_ABSENT_MS = 10_000;

const toCachePolicy = ([fresh, refresh, keep]: CachePolicySeconds): CachePolicy => ({
  maxAgeMs: fresh * 1000,
  staleWhileRevalidateMs: refresh * 1000,
  staleIfErrorMs: keep * 1000,
  negativeTtlMs: Math.min(fresh * 1000, MAX_ABSENT_MS),
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
 * A variable that changes how long a provider's types are good for, as in `contacts=60/120/3600,deals=0`: up to this age
 * in seconds fresh, refreshed in the background, and kept for when the provider is down. What is left out follows from
 * what is there; 0 keeps nothing.
 */
export const cachePoliciesVariable = <Type extends string>(defaults: Readonly<Record<Type, CachePolicySeconds>>) =>
  z
    .string()
    .default('')
    .transform((text, { addIssue }) => {
      const cachePolicies = new Map<string, CachePolicySeconds>(Object.entries(defaults));
      for (const [type, value] of pairsOf(text)) {
        const ages = value.split('/');
        const [fresh = 0, refresh = fresh, keep = refresh] = ages.map(Number);
        const isUsable =
          ages.length <= 3 && ages.every((age) => SECONDS.test(age)) && fresh <= refresh && refresh <= keep;
        if (!cachePolicies.has(type)) {
          addIssue({ code: 'custom', message: `must name types of ${Object.keys(defaults).join(', ')}` });
        } else if (!isUsable) {
          addIssue({ code: 'custom', message: `${type} must be ages in seconds that grow, as in ${type}=60/120/3600` });
        } else {
          cachePolicies.set(type, [fresh, refresh, keep]);
        }
      }
      return Object.fromEntries([...cachePolicies].map(([type, ages]) => [type, toCachePolicy(ages)])) as Record<
        Type,
        CachePolicy
      >;
    });

/**
 * A variable that changes a provider's limits, as in `account=50/1,search=4/1`: so many calls in so many seconds. What is
 * set here is not raised by what the provider says.
 */
export const quotaVariable = (defaults: readonly RateLimitRule[]) =>
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

/** A variable for the number of calls that may run at once. */
export const concurrencyVariable = (calls: number) => z.coerce.number().int().min(1).max(1_000).default(calls);
