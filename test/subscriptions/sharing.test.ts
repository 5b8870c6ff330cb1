import { createClient as createWsClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { startGateway } from '../../gateway/start.ts';
import { openEventStream, refusalOf } from '../helpers/event-stream.ts';
import { writePlans } from '../helpers/plans.ts';
import { readMetrics } from '../helpers/prometheus.ts';
import { operationsOf, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';
import { connectWebhooks, postHubSpot, postStripe, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * Subscribers share work, are limited in number, may read only what they may, and leave nothing behind.
 */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.close());

const start = async (env: Record<string, string> = {}) => {
  const gateway = await startGateway({ ...stack.env, ...WEBHOOKS, CACHE_MAX_MIB: '16', ADMIN_PORT: '0', ...env });
  onTestFinished(gateway.close);
  connectWebhooks(stack, gateway.url);
  return gateway;
};

let number = 0;
const change = async (url: string, objectId = 101): Promise<void> => {
  number += 1;
  const event = { eventId: number, subscriptionType: 'contact.propertyChange', objectId, propertyName: 'phone' };
  await postHubSpot(url, [{ ...event, propertyValue: String(number), occurredAt: 1_796_000_000_000 + number }]);
};

const QUERY = 'subscription { customerChanged { id phone company { name } } }';

const groupsOf = async (adminUrl: string | undefined): Promise<unknown> => {
  const { value } = await readMetrics(adminUrl);
  return [value('tributary_subscription_subscribers'), value('tributary_subscription_groups')];
};

test('given many subscribers with the same selection, then an event costs one read', async () => {
  const { url, adminUrl } = await start({ MAX_SUBSCRIPTIONS_PER_CLIENT: '1000' });
  const subscribers = await Promise.all(Array.from({ length: 200 }, () => openEventStream(url, { query: QUERY })));
  expect(await groupsOf(adminUrl)).toEqual([200, 1]);
  stack.reset();
  await change(url);
  await expect.poll(() => subscribers.every(({ events }) => events.length === 1)).toBe(true);
  const calls = operationsOf(stack.hubspot);
  expect(calls).toEqual([...new Set(calls)]);
  const [first] = subscribers;
  for (const one of subscribers) expect(one.events).toEqual(first?.events);
  // With another selection, the value comes from the cache.
  const other = await openEventStream(url, { query: 'subscription { customerChanged { phone } }' });
  expect(await groupsOf(adminUrl)).toEqual([201, 2]);
  stack.reset();
  await change(url);
  await expect.poll(() => other.events.length).toBe(1);
  await expect.poll(() => subscribers.every(({ events }) => events.length === 2)).toBe(true);
  expect(operationsOf(stack.hubspot).filter((operation) => operation.includes('contacts/batch/read'))).toHaveLength(1);
  // The last one that leaves ends the group.
  for (const one of [...subscribers, other]) one.close();
  await expect.poll(() => groupsOf(adminUrl)).toEqual([0, 0]);
});

describe('limits', () => {
  test('of a process and of a client', async () => {
    const { url } = await start({ MAX_SUBSCRIPTIONS: '3', MAX_SUBSCRIPTIONS_PER_CLIENT: '2' });
    const streams = [await openEventStream(url, { query: QUERY }), await openEventStream(url, { query: QUERY })];
    const refused = await openEventStream(url, { query: QUERY });
    expect(refused.status).toBe(429);
    expect(await refusalOf(refused)).toEqual({
      errors: [{ message: expect.any(String), extensions: { code: 'RATE_LIMITED' } }],
    });
    streams[0]?.close();
    await expect
      .poll(async () => {
        const again = await openEventStream(url, { query: QUERY });
        if (again.status === 200) streams.push(again);
        return again.status;
      })
      .toBe(200);
    for (const stream of streams) stream.close();
  });

  test('a budget that is used up ends the subscription without a call', async () => {
    const { path } = writePlans({ default: 'small', plans: { small: { callsPerDay: { payments: 1 } } } });
    const { url } = await start({ PLANS: path });
    const stream = await openEventStream(url, { query: 'subscription { paymentChanged { status } }' });
    const pay = async (created: number): Promise<void> => {
      const intent = { object: 'payment_intent', id: 'pi_3M37pZMJsypFc4wLph00HY7Q' };
      const event = { id: `evt_budget_${created}`, object: 'event', type: 'payment_intent.succeeded', created };
      await postStripe(url, { ...event, data: { object: intent }, request: { id: `req_${created}` } });
    };
    await pay(1_796_000_000);
    await expect.poll(() => stream.results().length).toBe(1);
    stack.reset();
    await pay(1_796_000_001);
    await stream.ended;
    expect(stream.results().at(-1)).toMatchObject({ errors: [{ extensions: { code: 'BUDGET_EXCEEDED' } }] });
    expect(operationsOf(stack.stripe)).toEqual([]);
  });

  test('a subscription ends at its maximum age, and can be continued', async () => {
    const { url } = await start({ SUBSCRIPTION_MAX_AGE_S: '1' });
    const stream = await openEventStream(url, { query: QUERY });
    await stream.ended;
    expect(stream.results().at(-1)).toMatchObject({ errors: [{ extensions: { code: 'SUBSCRIPTION_LOST' } }] });
    expect(stream.events.at(-1)).toMatchObject({ event: 'complete' });
    await change(url);
    const next = await openEventStream(url, { query: QUERY }, { 'last-event-id': stream.lastEventId() });
    await expect.poll(() => next.results()[0]?.data).toMatchObject({ customerChanged: { id: '101' } });
    next.close();
  });
});

describe('rights', () => {
  test('fields that a subscriber may not read are null, and do not reach others', async () => {
    const { url } = await start(TOKEN_ENV);
    const subscribe = (scopes: string[]) =>
      openEventStream(url, { query: QUERY }, headersOf({ subject: scopes.join(), scopes }));
    const all = await subscribe(['customers:read']);
    const none = await subscribe(['inventory:read']);
    await change(url);
    await expect.poll(() => all.results()[0]?.data).toMatchObject({ customerChanged: { id: '101' } });
    expect(await refusalOf(none)).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } }],
    });
    all.close();
  });

  test('a customer gets events of their own record only', async () => {
    const { url } = await start(TOKEN_ENV);
    const { data } = await stack.ask<{ customer: { email: string } }>('{ customer(id: "102") { email } }');
    const own = headersOf({ subject: 'bjorn', scopes: ['self:read'], customerEmail: data?.customer.email });
    const stream = await openEventStream(url, { query: 'subscription { customerChanged { id } }' }, own);
    await change(url, 101);
    await change(url, 102);
    await expect.poll(() => stream.results()).toMatchObject([{ data: { customerChanged: { id: '102' } } }]);
    stream.close();
  });

  test('a token that expires ends the stream', async () => {
    const { url } = await start({ ...TOKEN_ENV, JWT_CLOCK_TOLERANCE_S: '0' });
    const stream = await openEventStream(
      url,
      { query: QUERY },
      headersOf({ scopes: ['customers:read'], lifetimeS: 3 }),
    );
    expect(stream.status).toBe(200);
    await stream.ended;
    expect(stream.results().at(-1)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });
});

describe('WebSocket', () => {
  const connect = (url: string, options: object) =>
    createWsClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      ...options,
    });
  const run = (client: ReturnType<typeof connect>, query: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const results: unknown[] = [];
      client.subscribe(
        { query },
        { next: (one) => results.push(one), error: reject, complete: () => resolve(results[0]) },
      );
    });

  test('credentials may be parameters of the connection, and are checked for each operation', async () => {
    const { url } = await start({ ...TOKEN_ENV, JWT_CLOCK_TOLERANCE_S: '0' });
    const QUERY_ADA = '{ customer(id: "101") { firstName } }';
    const connectionParams = headersOf({ scopes: ['customers:read'], lifetimeS: 4 });
    const client = connect(url, { connectionParams, lazyCloseTimeout: 60_000 });
    expect(await run(client, QUERY_ADA)).toMatchObject({ data: { customer: { firstName: 'Ada' } } });
    await expect
      .poll(() => run(client, QUERY_ADA).catch((errors) => errors[0]?.extensions.code))
      .toBe('UNAUTHENTICATED');
    await client.dispose();
    const anonymous = connect(url, {});
    expect(await run(anonymous, QUERY_ADA)).toMatchObject({
      data: null,
      errors: [{ extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } }],
    });
    await anonymous.dispose();
    const refused = connect(url, { connectionParams: { authorization: 'Bearer nonsense' } });
    await expect(run(refused, QUERY_ADA)).rejects.toMatchObject({ code: 4401 });
    await refused.dispose();
  });

  test('an operation that its client completes is not executed further', async () => {
    const { url } = await start({ CACHE_MAX_MIB: '0', REQUEST_TIMEOUT_MS: '60000', HUBSPOT_TIMEOUT_MS: '60000' });
    // The connection stays open.
    const client = connect(url, { lazyCloseTimeout: 60_000 });
    stack.reset();
    stack.hubspot.fail({ hang: true });
    onTestFinished(stack.reset);
    const query = '{ customer(id: "101") { firstName } }';
    const cancel = client.subscribe({ query }, { next: () => {}, error: () => {}, complete: () => {} });
    await expect.poll(() => stack.hubspot.calls.length).toBe(1);
    cancel();
    // Otherwise it would be aborted at its timeout, after a minute.
    await expect.poll(() => stack.hubspot.calls[0]?.clientAborted, { timeout: 30_000 }).toBe(true);
    stack.reset();
    expect(await run(client, query)).toMatchObject({ data: { customer: { firstName: 'Ada' } } });
    await client.dispose();
  });

  test('limits of clients and the safelist apply', async () => {
    const { url } = await start({ SAFELIST: 'on' });
    const client = connect(url, {});
    await expect(run(client, '{ customer(id: "101") { firstName } }')).rejects.toMatchObject([
      { extensions: { code: 'QUERY_NOT_IN_SAFELIST' } },
    ]);
    await client.dispose();
  });
});

test('variables that are kept for long are bounded', async () => {
  const { url } = await start();
  const stream = await openEventStream(url, {
    query: 'subscription ($email: String) { customerChanged(email: $email) { id } }',
    variables: { email: `ada@customers.example${' '.repeat(70_000)}` },
  });
  expect(await refusalOf(stream)).toMatchObject({
    errors: [{ extensions: { code: 'OPERATION_LIMIT_EXCEEDED' } }],
  });
});

test('a provider that is down gives errors, and the stream goes on', async () => {
  const { url } = await start();
  const stream = await openEventStream(url, {
    query: 'subscription { customerChanged(id: "101") { id company { name } } }',
  });
  stack.hubspot.fail({ status: 500, times: 1_000 });
  await change(url);
  await expect.poll(() => stream.results().length).toBe(1);
  expect(stream.results()[0]).toMatchObject({
    data: { customerChanged: null },
    errors: [{ path: ['customerChanged'] }],
  });
  stack.reset();
  // The circuit breaker is open for a while.
  await expect
    .poll(async () => {
      await change(url);
      return stream.results().at(-1)?.data?.customerChanged?.id;
    })
    .toBe('101');
  stream.close();
});
