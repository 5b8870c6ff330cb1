import type { LimitRule, ReadLessons } from '../../../connectors/middleware/rate-limit.ts';
import type { Lesson } from '../../../connectors/rate-limits/memory.ts';
import type { LifetimeSeconds } from '../../kit/provider-env.ts';

/* Stripe's terms, as far as they bear on how often it is asked. `docs/providers.md` explains them. */

const isSearch = (operation: string): boolean => operation.endsWith('/search');

/** Source: https://docs.stripe.com/rate-limits */
export const LIMITS: readonly LimitRule[] = [
  { name: 'account', calls: 100, windowMs: 1_000 },
  { name: 'endpoint', calls: 25, windowMs: 1_000, isPerOperation: true, counts: (operation) => !isSearch(operation) },
  { name: 'search', calls: 20, windowMs: 1_000, counts: isSearch },
];

/** Calls a second of an account with a test key. */
export const TEST_ACCOUNT_CALLS = 25;

/** What somebody acts on is never answered old while Stripe can be asked: nothing is refreshed behind a client's back. */
export const LIFETIMES = {
  accounts: [15, 15, 600],
  payments: [5, 5, 600],
  paymentLists: [5, 5, 600],
  refunds: [5, 5, 600],
  invoices: [15, 15, 600],
  invoiceLists: [15, 15, 600],
} as const satisfies Readonly<Record<string, LifetimeSeconds>>;

export type LifetimeName = keyof typeof LIFETIMES;

const PAUSE: Lesson = { pauseMs: 1_000 };

// An operation is under one of `endpoint` and `search`.
const LESSONS: ReadonlyMap<unknown, Readonly<Record<string, Lesson>>> = new Map([
  ['global-rate', { account: PAUSE }],
  ['global-concurrency', { account: PAUSE }],
  ['endpoint-rate', { endpoint: PAUSE, search: PAUSE }],
  ['endpoint-concurrency', { endpoint: PAUSE, search: PAUSE }],
]);

/** A refusal names the limit it is about, and not for how long. */
export const readLessons: ReadLessons = ({ status, headers }) =>
  (status === 429 && LESSONS.get(headers['stripe-rate-limited-reason'])) || {};
