import { leftOf, type Usage, usedOf, waitFor } from './counters/counter.ts';

/*
 * Fields of draft-ietf-httpapi-ratelimit-headers-11 (May 2026): lists of structured fields (RFC 9651) whose items are the names
 * of policies.
 */

export const RATE_LIMIT_HEADERS = ['ratelimit', 'ratelimit-policy', 'retry-after'];

/** Units other than requests, by policy. */
const UNITS: Readonly<Record<string, string>> = { calls: ';qu="provider-calls"' };

/** Writes `RateLimit-Policy`: the quota `q` of each counter in a window of `w` seconds. */
export const writePolicy = (usages: readonly Usage[]): string =>
  usages
    .map(({ counter: { name, limit, periodMs } }) => `"${name}";q=${limit}${UNITS[name] ?? ''};w=${periodMs / 1_000}`)
    .join(', ');

/** Writes `RateLimit`: the remaining units `r` of each counter, and the seconds `t` until there are more. */
export const writeRateLimit = (usages: readonly Usage[]): string =>
  usages
    .map((usage) => {
      const left = leftOf(usage);
      const waitMs = usedOf(usage) > 0 ? waitFor(usage, Math.min(left + 1, usage.counter.limit)) : 0;
      return `"${usage.counter.name}";r=${left}${waitMs > 0 ? `;t=${toSeconds(waitMs)}` : ''}`;
    })
    .join(', ');

/** Converts a wait to whole seconds that are not shorter. */
export const toSeconds = (ms: number): number => Math.ceil(ms / 1_000);
