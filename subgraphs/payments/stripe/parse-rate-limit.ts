import type { ParseRateLimit } from '../../../connectors/middleware/rate-limit.ts';
import type { RateLimitUpdate } from '../../../connectors/rate-limits/memory.ts';

const PAUSE: RateLimitUpdate = { pauseMs: 1_000 };

// Each operation is subject to either `endpoint` or `search`.
const UPDATES: ReadonlyMap<unknown, Readonly<Record<string, RateLimitUpdate>>> = new Map([
  ['global-rate', { account: PAUSE }],
  ['global-concurrency', { account: PAUSE }],
  ['endpoint-rate', { endpoint: PAUSE, search: PAUSE }],
  ['endpoint-concurrency', { endpoint: PAUSE, search: PAUSE }],
]);

/** Reads the exceeded limit of a 429. Stripe does not state how long to wait. */
export const parseRateLimit: ParseRateLimit = ({ status, headers }) =>
  (status === 429 && UPDATES.get(headers['stripe-rate-limited-reason'])) || {};
