import { z } from 'zod';
import { defineProvider } from '../../../connectors/define-provider.ts';
import { address, secret, url } from '../../../connectors/settings.ts';
import { createStripeApi } from './api.ts';
import { stripeSdk } from './client.ts';
import { domainEvents } from './domain-events.ts';
import { parseRateLimit } from './parse-rate-limit.ts';
import { createReads } from './reads.ts';
import { stripeWebhook } from './webhook.ts';

const isSearch = (operation: string): boolean => operation.endsWith('/search');

/** Requests per second of an account with a test key. */
const TEST_ACCOUNT_CALLS = 25;

/** The provider Stripe, through its API and official SDK. */
export const stripe = defineProvider({
  name: 'stripe',
  title: 'Stripe',
  envPrefix: 'STRIPE',
  settings: {
    API_KEY: secret(
      z.string('is required to call Stripe').regex(/^(sk|rk)_\w+$/, 'must be a secret or restricted key, sk_… or rk_…'),
      'A secret or restricted key. Restricted keys need: customers and payment intents write, refunds write, invoices and charges read.',
    ),
    BASE_URL: address(
      url()
        .refine((text) => URL.parse(text)?.pathname === '/', 'must have no path')
        .default('https://api.stripe.com'),
      'Where the API is.',
    ),
  },
  identity: ({ BASE_URL, API_KEY }) => [BASE_URL, API_KEY],
  defaults: { timeoutMs: 10_000, concurrency: 20 },
  // Source: https://docs.stripe.com/rate-limits
  rateLimits: [
    { name: 'account', calls: 100, windowMs: 1_000 },
    {
      name: 'endpoint',
      calls: 25,
      windowMs: 1_000,
      isPerOperation: true,
      appliesTo: (operation) => !isSearch(operation),
    },
    { name: 'search', calls: 20, windowMs: 1_000, appliesTo: isSearch },
  ],
  adjustRateLimits: (rules, { API_KEY }) =>
    rules.map((rule) =>
      rule.name === 'account' && !rule.isOperatorSet && /^(sk|rk)_test_/.test(API_KEY)
        ? { ...rule, calls: TEST_ACCOUNT_CALLS }
        : rule,
    ),
  parseRateLimit,
  // No staleWhileRevalidate: a client that acts on a payment must not see an old one while Stripe is reachable.
  cachePolicies: {
    accounts: { maxAge: 15, staleWhileRevalidate: 15, staleIfError: 600 },
    payments: { maxAge: 5, staleWhileRevalidate: 5, staleIfError: 600 },
    paymentLists: { maxAge: 5, staleWhileRevalidate: 5, staleIfError: 600 },
    refunds: { maxAge: 5, staleWhileRevalidate: 5, staleIfError: 600 },
    invoices: { maxAge: 15, staleWhileRevalidate: 15, staleIfError: 600 },
    invoiceLists: { maxAge: 15, staleWhileRevalidate: 15, staleIfError: 600 },
  },
  transport: stripeSdk,
  api: createStripeApi,
  reads: createReads,
  webhook: stripeWebhook,
  domainEvents,
  notes: { rateLimits: 'With a test key, the default is `account=25/1`. What is left out keeps its default.' },
  sandbox: () => import('./sandbox/index.ts'),
});
