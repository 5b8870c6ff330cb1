// @module-tag long

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Fault } from '../../sandbox/faults.ts';
import { createRandom, type Random } from '../../sandbox/random.ts';
import { type Answer, type Stack, startStack } from '../helpers/stack.ts';

/*
 * Chaos test: the three providers fail in turn, each in four ways, while clients read and write. The sandboxes enforce
 * their real rate limits, which the gateway must not exceed.
 */

// Everything runs in this process. With more clients, a busy machine alone would cause timeouts.
const CLIENTS = 40;
const PHASE_MS = 2_500;
const CALM_MS = 500;

const company = createCompany();
const people = new Map(company.people.flatMap((person) => (person.email ? [[person.email, person] as const] : [])));
const organisations = new Map(company.organisations.map(({ id, name }) => [id, name]));
const payments = new Map(
  company.accounts.flatMap(({ currency, payments }) =>
    payments.map((payment) => [payment.id, { ...payment, currency: currency.toUpperCase() }] as const),
  ),
);
// As many as the rate limits allow: Stripe allows 25 requests a second, and cannot read several payments at once.
const [emails, ids, skus] = [
  [...people.keys()].slice(0, 40),
  [...payments.keys()].slice(0, 40),
  company.products.map(({ sku }) => sku),
];

const oneOf = <T>(random: Random, items: readonly T[]): T => items[random.int(0, items.length - 1)] as T;

type Customer = { email: string; lastName: string | null; company: { id: string; name: string } | null } | null;
type Weather = { readonly provider: 'stripe' | 'hubspot' | 'openmage'; readonly name: string; readonly fault: Fault };

const SERVICE = { stripe: 'payments', hubspot: 'crm', openmage: 'inventory' } as const;
const FORECAST: readonly Weather[] = (
  [
    ['down', { drop: 'before' }],
    ['slow', { delayMs: 10_000 }],
    ['full', { status: 429, headers: { 'retry-after': '1' } }],
    ['garbage', { body: '<html><h1>It works!</h1></html>' }],
  ] as const
).flatMap(([name, fault]) =>
  (['stripe', 'hubspot', 'openmage'] as const).map((provider) => ({ provider, name, fault })),
);

const CODES = [
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_BAD_RESPONSE',
  'UPSTREAM_OUTCOME_UNKNOWN',
];

/** Checks the data of a response. */
type Check = (data: Record<string, unknown>) => boolean;

const QUERIES: readonly ((random: Random) => [query: string, variables: object, isRight: Check])[] = [
  (random) => {
    const email = oneOf(random, emails);
    const person = people.get(email);
    return [
      `query ($email: String!) { customer(email: $email) { email lastName company { id name } payments(first: 3) { edges { node { id amount { minorUnits currency } } } } } }`,
      { email },
      ({ customer }) => {
        if (customer === null) return true;
        const {
          email: told,
          lastName,
          company: at,
          payments: listed,
        } = customer as NonNullable<Customer> & {
          payments: { edges: { node: { id: string; amount: { minorUnits: number; currency: string } } }[] } | null;
        };
        const isPaid = (listed?.edges ?? []).every(({ node }) => {
          const payment = payments.get(node.id);
          return payment?.amount === node.amount.minorUnits && payment.currency === node.amount.currency;
        });
        return (
          told === email && lastName === person?.lastName && (!at || organisations.get(at.id) === at.name) && isPaid
        );
      },
    ];
  },
  (random) => {
    const id = oneOf(random, ids);
    return [
      `query ($id: ID!) { payment(id: $id) { id amount { minorUnits currency } customer { email lastName } } }`,
      { id },
      ({ payment }) => {
        if (payment === null) return true;
        const {
          id: told,
          amount,
          customer,
        } = payment as {
          id: string;
          amount: { minorUnits: number; currency: string };
          customer: Customer;
        };
        const known = payments.get(id);
        const isTheirs = !customer?.lastName || people.get(customer.email)?.lastName === customer.lastName;
        return told === id && amount.minorUnits === known?.amount && amount.currency === known.currency && isTheirs;
      },
    ];
  },
  (random) => {
    const wanted = Array.from({ length: 5 }, () => oneOf(random, skus));
    return [
      `query ($skus: [ID!]!) { products(skus: $skus) { sku stock { quantity } } }`,
      { skus: wanted },
      ({ products }) =>
        products === null ||
        (products as ({ sku: string } | null)[]).every((product, index) => !product || product.sku === wanted[index]),
    ];
  },
  () => [
    '{ customers(first: 20) { edges { node { email lastName company { id name } } } } }',
    {},
    ({ customers }) =>
      customers === null ||
      (customers as { edges: { node: NonNullable<Customer> }[] }).edges.every(
        ({ node }) =>
          (!node.email || people.get(node.email)?.lastName === node.lastName) &&
          (!node.company || organisations.get(node.company.id) === node.company.name),
      ),
  ],
];

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    env: {
      CACHE_MAX_MIB: '16',
      REQUEST_TIMEOUT_MS: '16000',
      STRIPE_TIMEOUT_MS: '8000',
      HUBSPOT_TIMEOUT_MS: '8000',
      OPENMAGE_TIMEOUT_MS: '8000',
      // As little caching as the rate limits allow, so that the providers are called all the time.
      HUBSPOT_CACHE: 'contacts=5/10/30,companies=5/10/30,associations=5/10/30,lists=5/5/30',
      STRIPE_CACHE: 'accounts=5/5/30,paymentLists=5/5/30,payments=5/5/30',
      OPENMAGE_CACHE: 'stock=1/2/30',
      // The providers' default limits.
      STRIPE_QUOTA: '',
      HUBSPOT_QUOTA: '',
    },
    stripe: {
      quota: {
        account: { calls: 25, windowMs: 1_000 },
        endpoint: { calls: 25, windowMs: 1_000 },
        search: { calls: 20, windowMs: 1_000 },
      },
    },
    hubspot: { quota: { account: { calls: 100, windowMs: 10_000 }, search: { calls: 4, windowMs: 1_000 } } },
  });
});
afterAll(() => stack.close());

const passing = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const heapMb = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1e6;
};

test(`given ${CLIENTS} clients while the providers fail in turn, then every response is correct`, async () => {
  const failing = new Map<string, number>();
  const wrong: unknown[] = [];
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  let isOver = false;
  let requests = 0;
  let writes = 0;

  const mayFail = (service: unknown) => (failing.get(String(service)) ?? 0) > performance.now();

  const judge = (answer: Answer<Record<string, unknown>>, query: string, isRight: Check) => {
    requests += 1;
    const strange = (answer.errors ?? []).filter(
      ({ extensions }) => !CODES.includes(String(extensions?.['code'])) || !mayFail(extensions?.['serviceName']),
    );
    if (strange.length > 0) wrong.push({ query, errors: strange.slice(0, 2) });
    if (!answer.data || !isRight(answer.data)) wrong.push({ query, text: answer.text.slice(0, 500) });
  };

  const client = async (seed: number) => {
    const random = createRandom(seed);
    for (let round = 0; !isOver; round += 1) {
      const [query, variables, isRight] = oneOf(random, QUERIES)(random);
      judge(await stack.ask(query, variables), query, isRight);
      // Clients pause to read, and one in twenty disconnects early.
      if (random.int(1, 20) === 1) {
        const left = new AbortController();
        const asked = stack.ask(query, variables, { signal: left.signal });
        left.abort();
        await asked.catch(() => {});
      }
      if (seed % 8 === 0) {
        writes += 1;
        const sku = skus[seed % skus.length] ?? '';
        const quantity = seed + round;
        const write =
          'mutation ($input: SetStockInput!) { setStock(input: $input) { product { sku stock { quantity } } } }';
        judge(await stack.ask(write, { input: { sku, quantity } }), write, ({ setStock }) => {
          const { product } = (setStock ?? {}) as { product?: { stock: { quantity: number } | null } };
          // No other client sets this product, so the read must return the quantity that was set.
          return !product?.stock || product.stock.quantity === quantity;
        });
      }
      await passing(random.int(100, 900));
    }
  };

  const recovery: number[] = [];
  const isBack = async ({ provider }: Weather) => {
    const asking = {
      stripe: `{ payments(first: ${1 + recovery.length}) { edges { node { id } } } }`,
      hubspot: '{ company(id: "9001") { name } }',
      openmage: `{ product(sku: "${skus[recovery.length]}") { sku } }`,
    };
    return (await stack.ask(asking[provider], {}, { headers: { 'cache-control': 'no-cache' } })).errors === undefined;
  };

  const clients = Array.from({ length: CLIENTS }, (_, index) => client(index + 1));
  await passing(2_000);
  const memory = [heapMb()];
  const seen = { stripe: 0, hubspot: 0, openmage: 0 };
  const refused: string[] = [];
  const collect = (weather?: Weather) => {
    for (const provider of ['stripe', 'hubspot', 'openmage'] as const) {
      const { calls } = stack[provider];
      seen[provider] += calls.length;
      // Ignore 429s that are injected faults.
      if (weather?.provider === provider && weather.name === 'full') continue;
      for (const { status, operation } of calls) if (status === 429) refused.push(`${provider} ${operation}`);
    }
    stack.reset();
  };

  for (const weather of FORECAST) {
    collect();
    const service = SERVICE[weather.provider];
    failing.set(service, Number.POSITIVE_INFINITY);
    stack[weather.provider].fail(weather.fault);
    await passing(PHASE_MS);
    collect(weather);
    const over = performance.now();
    // Requests in flight may still fail until their deadline.
    failing.set(service, over + 30_000);
    while (!(await isBack(weather)) && performance.now() - over < 60_000) await passing(50);
    recovery.push(performance.now() - over);
    await passing(CALM_MS);
    memory.push(heapMb());
  }
  isOver = true;
  await Promise.all(clients);
  collect();
  process.off('unhandledRejection', note);

  expect(wrong.slice(0, 5)).toEqual([]);
  expect(unhandled).toEqual([]);
  expect(requests).toBeGreaterThan(CLIENTS * 10);
  expect(writes).toBeGreaterThan(CLIENTS / 2);

  // Recovers soon after the provider; on a busy machine, requests in flight take up to their deadline.
  expect(Math.max(...recovery)).toBeLessThan(30_000);

  // No provider's rate limit was exceeded: none responded with 429.
  expect(refused).toEqual([]);
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);

  const [, early = 0] = memory;
  expect(memory.at(-1) ?? 0).toBeLessThan(early + 20);
  console.info(
    `${requests} requests; back within ${Math.max(...recovery).toFixed(0)} ms; heap ${memory.map((mb) => mb.toFixed(0)).join(' ')} MB; calls`,
    seen,
  );
});
