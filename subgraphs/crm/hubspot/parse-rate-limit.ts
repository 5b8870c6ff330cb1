import { z } from 'zod';
import type { ParseRateLimit } from '../../../connectors/middleware/rate-limit.ts';
import type { RateLimitUpdate } from '../../../connectors/rate-limits/memory.ts';

const Refusal = z.object({ policyName: z.string() });

// The day is in the account's time zone, which responses do not state, so requests resume every five minutes.
const DAILY_PAUSE_MS = 300_000;

const policyOf = (body: string): string | undefined => {
  try {
    return Refusal.safeParse(JSON.parse(body)).data?.policyName;
  } catch {
    return undefined;
  }
};

const updateOf = (policy: string | undefined): Record<string, RateLimitUpdate> => {
  if (policy === 'DAILY') return { account: { pauseMs: DAILY_PAUSE_MS } };
  // The window slides, so requests may be possible again soon.
  if (policy === 'TEN_SECONDLY_ROLLING') return { account: { pauseMs: 1_000 } };
  return policy === 'SECONDLY' ? { search: { pauseMs: 1_000 } } : {};
};

/**
 * Reads rate limits from a response. Except for searches, the headers contain the state of the ten-second limit; a 429 names
 * the exceeded limit. `docs/providers.md` explains the limits.
 */
export const parseRateLimit: ParseRateLimit = ({ status, headers, body }) => {
  const updates = status === 429 ? updateOf(policyOf(body)) : {};
  const calls = toCount(headers['x-hubspot-ratelimit-max']);
  const remaining = toCount(headers['x-hubspot-ratelimit-remaining']);
  if (calls === undefined || calls === 0 || toCount(headers['x-hubspot-ratelimit-interval-milliseconds']) !== 10_000) {
    return updates;
  }
  return { ...updates, account: { ...updates['account'], calls, remaining } };
};

const toCount = (header: unknown): number | undefined =>
  typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
