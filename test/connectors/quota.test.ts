import { request as requestOverHttp } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Status } from '../../telemetry/status/format.ts';
import { advanceClock, resetClock, startClock, stopClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { type Stack, type StackOptions, startStack } from '../helpers/stack.ts';
import { busiest } from './conformance/harness.ts';

const company = createCompany();
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id));
const people = company.people.map(({ id }) => id);
const paymentsOf = (ids: readonly string[]) =>
  `{ ${ids.map((id, index) => `a${index}: payment(id: "${id}") { id }`).join(' ')} }`;
const customer = (id: string | undefined) => `{ customer(id: "${id}") { id } }`;

let stack: Stack;
const start = async (options: StackOptions) => {
  stack = await startStack(options);
};
afterEach(async () => {
  await stack.close();
  resetClock();
});

const statuses = () => stack.hubspot.calls.map(({ status }) => status);

test('given a client with 40 queued calls, when another sends one, then it does not wait for all of them', async () => {
  await start({ env: { STRIPE_QUOTA: 'account=10/1,endpoint=10/1' } });
  let greedyIsAnswered = false;
  const greedy = stack.ask(paymentsOf(payments.slice(0, 40))).then(() => {
    greedyIsAnswered = true;
  });
  await expect.poll(() => stack.stripe.calls.length).toBeGreaterThan(4);
  const { errors } = await stack.ask(paymentsOf([payments[50] ?? '']));
  expect(errors).toBeUndefined();
  expect(greedyIsAnswered).toBe(false);
  expect(stack.stripe.calls.length).toBeLessThan(20);
  await greedy;
});

test('given queued background refreshes, then a client’s call goes before them', async () => {
  advanceClock(0);
  await start({
    env: { CACHE_MAX_MIB: '16', STRIPE_CACHE: 'payments=1/3600/3600', STRIPE_QUOTA: 'account=10/2,endpoint=10/2' },
  });
  const queued = async (): Promise<number | undefined> => {
    const { subgraphs } = (await (await fetch(`${stack.url}/status.json`)).json()) as Status;
    return subgraphs.find(({ subgraph }) => subgraph === 'payments')?.queue?.queued;
  };
  const old = payments.slice(0, 20);
  await stack.ask(paymentsOf(old));
  advanceClock(60_000);
  stack.reset();
  // No permit is given until the clock goes on, except those of the first moment.
  stopClock();
  // All of them are served stale from the cache and refreshed in the background.
  const answers = await Promise.all(old.map((id) => stack.ask(paymentsOf([id]))));
  expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
  await expect.poll(queued).toBe(15);
  const asked = stack.ask(paymentsOf([payments[60] ?? '']));
  await expect.poll(queued).toBe(16);
  startClock();
  expect((await asked).errors).toBeUndefined();
  // The refreshes that wait too long meanwhile are given up.
  expect(stack.stripe.calls[5]?.keys).toEqual([payments[60]]);
});

test('given a network that delays calls, then the provider still receives no more than its quota', async () => {
  const sandbox = await startStack();
  let passed = 0;
  const network = await startHttpServer((request, response) => {
    passed += 1;
    const forward = () =>
      request.pipe(
        requestOverHttp(`${sandbox.stripe.url}${request.url}`, { headers: request.headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        }),
      );
    // Delay the first ten until the second after they were sent is over.
    if (passed <= 10) setTimeout(forward, 1_500);
    else forward();
  });
  await start({
    env: { STRIPE_BASE_URL: network.url, STRIPE_QUOTA: 'account=10/1,endpoint=10/1', STRIPE_CONCURRENCY: '100' },
  });
  const { errors } = await stack.ask(paymentsOf(payments.slice(0, 30)));
  expect(errors).toBeUndefined();
  expect(sandbox.stripe.calls).toHaveLength(30);
  expect(busiest(sandbox.stripe.calls, 1_000)).toBeLessThanOrEqual(10);
  await sandbox.close();
  await network.close();
});

test('given batches that wait for a permit, then they accept the keys requested meanwhile', async () => {
  await start({ env: { HUBSPOT_QUOTA: 'account=4/8' } });
  for (const id of people.slice(0, 4)) await stack.ask(customer(id));
  stack.reset();
  const answers = [];
  for (const id of people.slice(10, 40)) {
    answers.push(stack.ask(customer(id)));
    // Each arrives when the one before it is already queued.
    await fetch(`${stack.url}/health/live`);
    await fetch(`${stack.url}/health/live`);
  }
  expect((await Promise.all(answers)).flatMap(({ errors }) => errors ?? [])).toEqual([]);
  expect(stack.hubspot.calls.length).toBeLessThanOrEqual(2);
  expect(stack.hubspot.calls.flatMap(({ keys }) => keys).sort()).toEqual(people.slice(10, 40).sort());
});

describe('HubSpot’s rate-limit headers', () => {
  const quotaOf = (calls: number) => ({
    hubspot: { quota: { account: { calls, windowMs: 10_000 }, search: { calls: 100, windowMs: 1_000 } } },
  });

  test('given an account with a lower limit than the default, then it is kept', async () => {
    await start({ env: { HUBSPOT_QUOTA: '', REQUEST_TIMEOUT_MS: '3000' }, ...quotaOf(12) });
    const codes = [];
    for (const id of people.slice(0, 16)) codes.push((await stack.ask(customer(id))).errors?.[0]?.extensions?.['code']);
    expect(statuses()).toHaveLength(12);
    expect(statuses()).not.toContain(429);
    expect(codes.slice(0, 12)).toEqual(Array(12).fill(undefined));
    expect(new Set(codes.slice(12))).toEqual(new Set(['UPSTREAM_RATE_LIMITED']));
  });

  test('given another user of the account, then the remaining quota is not exceeded', async () => {
    await start({ env: { HUBSPOT_QUOTA: '', REQUEST_TIMEOUT_MS: '3000' }, ...quotaOf(20) });
    const somebody = await stack.startAnother();
    for (const id of people.slice(0, 12)) await somebody.ask(customer(id));
    for (const id of people.slice(0, 12)) await stack.ask(customer(id));
    expect(statuses()).not.toContain(429);
    expect(stack.hubspot.calls).toHaveLength(20);
    await somebody.close();
  });

  test('given a lower limit set by the operator, then the headers do not raise it', async () => {
    await start({ env: { HUBSPOT_QUOTA: 'account=5/10', REQUEST_TIMEOUT_MS: '3000' }, ...quotaOf(100) });
    for (const id of people.slice(0, 8)) await stack.ask(customer(id));
    expect(stack.hubspot.calls).toHaveLength(5);
  });
});

describe('implausible feedback', () => {
  test('given a limit of a hundred million calls, then external usage is bounded too', async () => {
    await start({ env: { HUBSPOT_QUOTA: '', REQUEST_TIMEOUT_MS: '3000' } });
    stack.hubspot.fail({
      headers: {
        'x-hubspot-ratelimit-max': '100000000',
        'x-hubspot-ratelimit-remaining': '0',
        'x-hubspot-ratelimit-interval-milliseconds': '10000',
      },
    });
    const before = performance.now();
    for (const id of people.slice(0, 3)) await stack.ask(customer(id));
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test('given a 429 to each of many concurrent calls, then the pause is that of one', async () => {
    await start({ env: { HUBSPOT_QUOTA: 'account=100/10' } });
    const gate = Promise.withResolvers<void>();
    stack.hubspot.fail({ status: 429, until: gate.promise });
    const many = ['deals', 'customers'].flatMap((list) =>
      [1, 2, 3].map((first) => stack.ask(`{ ${list}(first: ${first}) { edges { cursor } } }`)),
    );
    await expect.poll(() => stack.hubspot.calls.length).toBe(6);
    gate.resolve();
    for (const { errors } of await Promise.all(many)) {
      expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_RATE_LIMITED');
      expect(errors?.[0]?.extensions?.['retryAfterMs'] ?? 0).toBeLessThanOrEqual(10_000);
    }
    stack.reset();
    // It waits for at most ten seconds, and is not rejected with half a minute to wait.
    expect((await stack.ask('{ deals(first: 4) { edges { cursor } } }')).errors).toBeUndefined();
  });

  test('given a Retry-After of three hundred years, then the pause is an hour', async () => {
    advanceClock(0);
    await start({ env: { STRIPE_QUOTA: 'account=10/1' } });
    stack.stripe.fail({ status: 429, times: 1, headers: { 'retry-after': '9999999999' } });
    const ask = () => stack.ask(paymentsOf([payments[0] ?? '']));
    const [refused, again] = [await ask(), await ask()];
    for (const { errors } of [refused, again]) {
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED' });
      expect(errors?.[0]?.extensions?.['retryAfterMs']).toBeLessThanOrEqual(3_600_000);
    }
    expect(stack.stripe.calls).toHaveLength(1);
    advanceClock(3_600_000);
    expect((await ask()).errors).toBeUndefined();
  });
});

describe('Stripe’s rate limits', () => {
  test.each([
    ['global-rate', 'the account', 1],
    ['endpoint-rate', 'its endpoint', 2],
  ])('given a 429 for %s, then only %s pauses', async (reason, _, calls) => {
    await start({ env: { REQUEST_TIMEOUT_MS: '600', STRIPE_QUOTA: 'account=20/5,endpoint=20/5,search=20/5' } });
    // The pause of one second could pass on a busy machine.
    stopClock();
    stack.stripe.fail({ status: 429, times: 1, headers: { 'stripe-rate-limited-reason': reason } });
    await stack.ask(paymentsOf([payments[0] ?? '']));
    await stack.ask('{ invoice(id: "in_1x") { id } }');
    await stack.ask(paymentsOf([payments[1] ?? '']));
    expect(stack.stripe.calls).toHaveLength(calls);
  });

  test('given a test key, then the account gets at most 25 calls a second', async () => {
    const quota = { calls: 25, windowMs: 1_000 };
    await start({ env: { STRIPE_QUOTA: '' }, stripe: { quota: { account: quota, endpoint: quota, search: quota } } });
    const { errors } = await stack.ask(paymentsOf(payments.slice(0, 60)));
    expect(errors).toBeUndefined();
    expect(stack.stripe.calls.map(({ status }) => status)).toEqual(Array(60).fill(200));
  });
});
