import type { ParseRateLimit, RateLimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { RateLimitUpdate } from '../../../connectors/rate-limits/memory.ts';
import type { CachePolicySeconds } from '../../kit/provider-env.ts';

/* Stripe's terms, as far as they bear on how often it is asked. `docs/providers.md` explains them. */

const isSearch = (operation: string): boolean => operation.endsWith('/search');

/** Source: https://docs.stripe.com/rate-limits */
export const LIMITS: readonly RateLimitRule[] = [
  { name: 'account', calls: 100, windowMs: 1_000 },
  {
    name: 'endpoint',
    calls: 25,
    windowMs: 1_000,
    isPerOperation: true,
    appliesTo: (operation) => !isSearch(operation),
  },
  { name: 'search', calls: 20, windowMs: 1_000, appliesTo: isSearch },
];

/** Calls a second of an account with a test key. */
export const TEST_ACCOUNT_CALLS = 25;

/** What somebody acts on is never answered old while Stripe can be asked: nothing is refreshed behind a client's back. */
export const CACHE_POLICIES = {
  accounts: [15, 15, 600],
  payments: [5, 5, 600],
  paymentLists: [5, 5, 600],
  refunds: [5, 5, 600],
  invoices: [15, 15, 600],
  invoiceLists: [15, 15, 600],
} as const satisfies Readonly<Record<string, CachePolicySeconds>>;

export type CachePolicyName = keyof typeof CACHE_POLICIES;

const PAUSE: RateLimitUpdate = { pauseMs: 1_000 };

// An operation is under one of `endpoint` and `search`.
const UPDATES: ReadonlyMap<unknown, Readonly<Record<string, RateLimitUpdate>>> = new Map([
  ['global-rate', { account: PAUSE }],
  ['global-concurrency', { account: PAUSE }],
  ['endpoint-rate', { endpoint: PAUSE, search: PAUSE }],
  ['endpoint-concurrency', { endpoint: PAUSE, search: PAUSE }],
]);

/** A refusal names the limit it is about, and not for how long. */
export const parseRateLimit: ParseRateLimit = ({ status, headers }) =>
  (status === 429 && UPDATES.get(headers['stripe-rate-limited-reason'])) || {};
