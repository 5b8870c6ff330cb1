import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { Defer20220824Handler, GraphQL17Alpha9Handler } from '@apollo/client/incremental';
import type { GraphQLFormattedError } from 'graphql';
import { afterEach, describe, expect, test } from 'vitest';
import { type Federation, startFederation } from '../helpers/federation.ts';
import {
  ACCEPT_INCREMENTAL,
  askIncremental,
  type IncrementalFormat,
  mergeMessages,
  readMessages,
  sendIncremental,
} from '../helpers/incremental.ts';
import { connectRaw, postText, readSlowly } from '../helpers/raw-socket.ts';
import { type SubgraphServer, withFields } from '../helpers/subgraph-server.ts';

const customer = (id: string) => ({ id, name: `Customer ${id}` });

const SUBGRAPHS = withFields(
  {
    crm: `
      type Query { customer(id: ID!): Customer customers(first: Int!): [Customer!]! office: Office nobody: Customer }
      type Customer @key(fields: "id") { id: ID! name: String! deals: [Deal!] note(length: Int): String secret: String @authenticated partner: Customer }
      type Deal { title: String! }
      type Office { city: String staff: Int }
    `,
    payments: `
      type Query { currency: String }
      type Customer @key(fields: "id") { id: ID! payments: [Payment!] balance: Int! }
      type Payment { amount: Int }
    `,
  },
  {
    'Query.customer': (_: object, { id }: { id: string }) => customer(id),
    'Query.customers': (_: object, { first }: { first: number }) =>
      Array.from({ length: first }, (_one, index) => customer(String(index + 1))),
    'Query.office': () => ({ city: 'Bonn', staff: 12 }),
    'Query.nobody': () => null,
    'Query.currency': () => 'EUR',
    'Customer.name': ({ id }: { id: string }) => `Customer ${id}`,
    'Customer.__resolveReference': (reference: object) => reference,
    'Customer.deals': ({ id }: { id: string }) => [{ title: `Deal of ${id}` }],
    'Customer.note': (_: object, { length }: { length: number }) => 'x'.repeat(length),
    'Customer.secret': () => 'secret',
    'Customer.partner': () => customer('2'),
    'Customer.payments': ({ id }: { id: string }) => [{ amount: Number(id) * 100 }],
    'Customer.balance': ({ id }: { id: string }) => Number(id),
  },
);

type Shop = Federation<keyof typeof SUBGRAPHS>;

let opened: Shop | undefined;
const start = async (env: Record<string, string> = {}): Promise<Shop> => {
  opened = await startFederation(SUBGRAPHS, env);
  return opened;
};
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

/** Holds the responses of a subgraph to fetches of a field. Returns the function that releases them. */
const hold = (server: SubgraphServer, field: string) => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  server.before = async (response, { query }) => {
    if (!query.includes(field)) return false;
    response.once('close', () => closed.resolve());
    arrived.resolve();
    await gate.promise;
    return response.destroyed;
  };
  return { release: gate.resolve, arrived: arrived.promise, closed: closed.promise };
};

const urlOf = ({ url }: Shop): string => `${url}/graphql`;

const QUERY = '{ customer(id: "1") { name ... @defer(label: "money") { payments { amount } } } }';

const FORMATS = Object.keys(ACCEPT_INCREMENTAL) as IncrementalFormat[];

const part = (json: string): string => `\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${json}\r\n--graphql`;

describe('given a query with @defer', () => {
  test.each([
    [
      'deferSpec' as const,
      'multipart/mixed;boundary="graphql";deferSpec=20220824',
      '{"data":{"customer":{"name":"Customer 1"}},"hasNext":true}',
      '{"incremental":[{"path":["customer"],"label":"money","data":{"payments":[{"amount":100}]}}],"hasNext":false}',
    ],
    [
      'incrementalSpec' as const,
      'multipart/mixed;boundary="graphql";incrementalSpec=v0.2',
      '{"data":{"customer":{"name":"Customer 1"}},"pending":[{"id":"0","path":["customer"],"label":"money"}],"hasNext":true}',
      '{"incremental":[{"id":"0","data":{"payments":[{"amount":100}]}}],"completed":[{"id":"0"}],"hasNext":false}',
    ],
  ])('when the client accepts %s, then these bytes are sent', async (format, type, first, last) => {
    const response = await sendIncremental(urlOf(await start()), { query: QUERY }, format);

    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform');
    expect(await response.text()).toBe(`--graphql${part(first)}${part(last)}--\r\n`);
  });

  test.each([
    ['another subgraph', 'payments' as const, 'payments', QUERY],
    ['the same subgraph', 'crm' as const, 'deals', '{ customer(id: "1") { name ... @defer { deals { title } } } }'],
    ['a root field', 'crm' as const, 'office', '{ customer(id: "1") { name } ... @defer { office { city } } }'],
  ])('when %s is slow, then the first part does not wait for it', async (_, name, field, query) => {
    const shop = await start();
    const { release, arrived } = hold(shop.subgraphs[name], field);

    const messages = readMessages(await sendIncremental(urlOf(shop), { query }, 'deferSpec'));
    const first = await messages.next();
    await arrived;
    release();
    const rest = await Array.fromAsync(messages);

    expect(first.value).toEqual({ data: { customer: { name: 'Customer 1' } }, hasNext: true });
    expect(mergeMessages([first.value as never, ...rest]).data).toEqual((await shop.ask(query)).data);
  });

  test('when a part is slow, then the next one does not wait for it', async () => {
    const shop = await start();
    const { release } = hold(shop.subgraphs.payments, 'payments');
    const query = `{ customer(id: "1") { name ... @defer(label: "slow") { payments { amount } } ... @defer(label: "quick") { deals { title } } } }`;

    const messages = readMessages(await sendIncremental(urlOf(shop), { query }, 'incrementalSpec'));
    const before = [await messages.next(), await messages.next()].map(({ value }) => value);
    release();
    const rest = await Array.fromAsync(messages);

    expect(before[1]?.incremental).toEqual([{ id: '1', data: { deals: [{ title: 'Deal of 1' }] } }]);
    expect(mergeMessages([...before, ...rest] as never).data).toEqual((await shop.ask(query)).data);
  });

  test.each(FORMATS)(
    'when parts are nested and in lists, then they merge to the whole response (%s)',
    async (format) => {
      const shop = await start();
      const query = `query ($slow: Boolean = true) {
      customers(first: 3) { ...Named ... @defer(if: $slow) { payments { amount } ... on Customer @defer { balance name } } }
      ... @defer(label: "rest") { office { city ... @defer { staff } } nobody { ... @defer { name } } }
    }
    fragment Named on Customer { name ... @defer(label: "deals") { deals { title } } }`;

      const merged = await askIncremental(urlOf(shop), { query }, format);

      expect(merged.errors).toEqual([]);
      expect(merged.data).toEqual((await shop.ask(query)).data);
      expect(merged.messages.length).toBeGreaterThan(2);
    },
  );

  test.each(FORMATS)('when a null is not allowed in a part, then only that part is null (%s)', async (format) => {
    const shop = await start();
    shop.subgraphs.payments.before = (response) => {
      response.writeHead(500).end();
      return true;
    };
    const query = '{ customer(id: "1") { name ... @defer { balance } ... @defer { deals { title } } } }';

    const merged = await askIncremental(urlOf(shop), { query }, format);

    expect(merged.data).toEqual({ customer: { name: 'Customer 1', deals: [{ title: 'Deal of 1' }] } });
    expect(merged.failed).toEqual([['customer']]);
    expect(merged.errors).toEqual([
      expect.objectContaining({
        path: ['customer', 'balance'],
        extensions: { code: 'UPSTREAM_UNAVAILABLE', serviceName: 'payments' },
      }),
    ]);
    expect(merged.messages[0]?.errors).toBeUndefined();
  });

  test.each(FORMATS)('when a part is null, then no part within it follows (%s)', async (format) => {
    const shop = await start();
    shop.subgraphs.payments.before = (response) => {
      response.writeHead(500).end();
      return true;
    };
    const query = '{ customer(id: "1") { name ... @defer { balance ... @defer { deals { title } } } } }';

    const { data, failed } = await askIncremental(urlOf(shop), { query }, format);

    expect(data).toEqual({ customer: { name: 'Customer 1' } });
    expect(failed).toEqual([['customer']]);
  });

  test.each(FORMATS)('when an object was delivered as null, then it stays null (%s)', async (format) => {
    const shop = await start();
    shop.subgraphs.payments.before = (response) => {
      response.writeHead(500).end();
      return true;
    };
    const query = '{ customer(id: "1") { name ... @defer { partner { balance } ... @defer { partner { name } } } } }';

    const { data } = await askIncremental(urlOf(shop), { query }, format);

    expect(data).toEqual({ customer: { name: 'Customer 1', partner: null } });
    expect(data).toEqual((await shop.ask(query)).data);
  });

  test('when a fetch has an error that causes no null, then it is told once, in the part that needs the fetch', async () => {
    const shop = await start();
    const { crm, payments } = shop.subgraphs;
    for (const [server, message] of [
      [crm, 'of crm'],
      [payments, 'of payments'],
    ] as const) {
      server.before = async (response, request) => {
        const { data } = await server.execute(request);
        const errors = [{ message, extensions: { code: 'UPSTREAM_UNAVAILABLE' } }];
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ data, errors }));
        return true;
      };
    }

    const { messages } = await askIncremental(urlOf(shop), { query: QUERY }, 'deferSpec');

    const namesOf = (errors: readonly GraphQLFormattedError[] | undefined) =>
      errors?.map(({ extensions }) => extensions?.['serviceName']);
    expect(namesOf(messages[0]?.errors)).toEqual(['crm']);
    expect(namesOf(messages[1]?.incremental?.[0]?.errors)).toEqual(['payments']);
  });

  test('when a part has a field that the client may not read, then its error is in that part', async () => {
    const shop = await start();
    const query = '{ customer(id: "1") { name ... @defer { secret deals { title } } } }';

    const { messages } = await askIncremental(urlOf(shop), { query }, 'deferSpec');

    expect(messages[0]).toEqual({ data: { customer: { name: 'Customer 1' } }, hasNext: true });
    expect(messages[1]?.incremental).toEqual([
      {
        path: ['customer'],
        data: { secret: null, deals: [{ title: 'Deal of 1' }] },
        errors: [expect.objectContaining({ path: ['customer', 'secret'] })],
      },
    ]);
    expect(shop.subgraphs.crm.requests.some(({ query: sent }) => sent.includes('secret'))).toBe(false);
  });

  test('when a report is requested, then it is in the last message and counts all parts', async () => {
    const shop = await start();
    const headers = { 'x-tributary-report': 'trace' };

    const { messages, extensions } = await askIncremental(urlOf(shop), { query: QUERY }, 'deferSpec', { headers });

    expect(messages.slice(0, -1).every((message) => message.extensions === undefined)).toBe(true);
    expect(messages.at(-1)?.extensions).toEqual(extensions);
    const { trace } = extensions['tributary'] as { trace: { fetches: { subgraph: string }[] } };
    expect(trace.fetches.map(({ subgraph }) => subgraph)).toEqual(['crm', 'payments']);
  });

  test.each([
    ['the client accepts JSON only', { accept: 'application/json' }, {}],
    ['the condition is false', { accept: ACCEPT_INCREMENTAL.incrementalSpec }, { later: false }],
  ])('when %s, then the response has one part', async (_, headers, variables) => {
    const shop = await start();
    const query = 'query ($later: Boolean! = true) { customer(id: "1") { name ... @defer(if: $later) { balance } } }';

    const { data, text, status } = await shop.ask(query, variables, { headers });

    expect(status).toBe(200);
    expect(data).toEqual({ customer: { name: 'Customer 1', balance: 1 } });
    expect(text).not.toContain('hasNext');
  });

  test('when nothing is deferred and the client accepts parts only, then there is one', async () => {
    const response = await fetch(urlOf(await start()), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'multipart/mixed;deferSpec=20220824' },
      body: JSON.stringify({ query: '{ currency }' }),
    });

    expect(await response.text()).toBe(`--graphql${part('{"data":{"currency":"EUR"},"hasNext":false}')}--\r\n`);
  });

  test.each([
    ['subscription { a { ... @defer { b } } }', undefined],
    [
      '{ ... @defer(label: "a") { currency } ... @defer(label: "a") { office { city } } }',
      'Value for arguments "@defer(label:)" must be unique across all uses of the directive.',
    ],
    [
      'query ($label: String) { ... @defer(label: $label) { currency } }',
      'Argument "@defer(label:)" must be a static string.',
    ],
  ])('when %s is sent, then it is invalid', async (query, message) => {
    const { errors, messages } = await askIncremental(urlOf(await start()), { query }, 'deferSpec');

    expect(messages).toEqual([]);
    expect(errors[0]?.extensions?.['code']).toBe('GRAPHQL_VALIDATION_FAILED');
    if (message) expect(errors[0]?.message).toBe(message);
  });

  test('when very many fragments are deferred, then some are part of others', async () => {
    const shop = await start();
    const fragments = Array.from({ length: 40 }, (_, index) => `... @defer { p${index}: payments { amount } }`);
    const query = `{ customer(id: "1") { name ${fragments.join(' ')} } }`;

    const { data, messages } = await askIncremental(urlOf(shop), { query }, 'incrementalSpec');

    expect(messages[0]?.pending).toHaveLength(32);
    expect(data).toEqual((await shop.ask(query)).data);
  });

  test('when the response has too many values, then the remaining parts fail', async () => {
    const shop = await start({ MAX_ANSWER_VALUES: '10' });
    const query = '{ customer(id: "1") { name ... @defer { note(length: 100000) } } }';

    const { data, errors, failed } = await askIncremental(urlOf(shop), { query }, 'incrementalSpec');

    expect(data).toEqual({ customer: { name: 'Customer 1' } });
    expect(failed).toEqual([['customer']]);
    expect(errors[0]?.extensions?.['code']).toBe('OPERATION_LIMIT_EXCEEDED');
  });

  test('when the deadline passes, then the remaining parts are delivered with its error', async () => {
    const shop = await start({ REQUEST_TIMEOUT_MS: '3000' });
    const { closed } = hold(shop.subgraphs.payments, 'payments');

    const { data, errors } = await askIncremental(urlOf(shop), { query: QUERY }, 'incrementalSpec');
    await closed;

    expect(data).toEqual({ customer: { name: 'Customer 1', payments: null } });
    expect(errors[0]?.extensions?.['code']).toBe('UPSTREAM_TIMEOUT');
  });

  test('when the client leaves, then the remaining fetches end', async () => {
    const shop = await start();
    const { arrived, closed } = hold(shop.subgraphs.payments, 'payments');
    const controller = new AbortController();

    const { signal } = controller;
    const messages = readMessages(await sendIncremental(urlOf(shop), { query: QUERY }, 'deferSpec', { signal }));
    await messages.next();
    await arrived;
    controller.abort();

    await closed;
  });

  test('when the client does not read, then it is disconnected and the remaining fetches end', async () => {
    const shop = await start({ WRITE_TIMEOUT_MS: '500', REQUEST_TIMEOUT_MS: '300000', MAX_ANSWER_VALUES: '10000000' });
    const { closed } = hold(shop.subgraphs.payments, 'payments');
    const query = '{ customer(id: "1") { note(length: 8000000) ... @defer { payments { amount } } } }';

    const client = await connectRaw(shop.url, { isDeaf: true });
    client.write(postText(JSON.stringify({ query }), { headers: `accept: ${ACCEPT_INCREMENTAL.deferSpec}\r\n` }));

    await closed;
    client.socket.destroy();
  });

  test('when the client reads the last part slowly, then it gets all of it', { tags: ['long'] }, async () => {
    const shop = await start({ WRITE_TIMEOUT_MS: '1000', MAX_ANSWER_VALUES: '10000000' });
    const query = '{ customer(id: "1") { name ... @defer { note(length: 16000000) } } }';

    const client = await connectRaw(shop.url, { isDeaf: true });
    client.write(postText(JSON.stringify({ query }), { headers: `accept: ${ACCEPT_INCREMENTAL.deferSpec}\r\n` }));
    const started = performance.now();
    readSlowly(client, 20);

    // The last chunk.
    await client.until('\r\n0\r\n\r\n');
    expect(performance.now() - started).toBeGreaterThan(2_000);
    client.socket.destroy();
  });
});

describe('given Apollo Client', () => {
  test.each([
    ['Defer20220824Handler', () => new Defer20220824Handler()],
    ['GraphQL17Alpha9Handler', () => new GraphQL17Alpha9Handler()],
  ])('when it uses %s, then it shows the first part, and later all', async (_, createHandler) => {
    const shop = await start();
    const { release } = hold(shop.subgraphs.payments, 'payments');
    const client = new ApolloClient({
      link: new HttpLink({ uri: urlOf(shop) }),
      cache: new InMemoryCache(),
      // Its type does not accept Apollo's own handlers with exactOptionalPropertyTypes.
      incrementalHandler: createHandler() as never,
    });
    const query = gql`
      query Overview {
        customers(first: 2) {
          id
          name
          ... @defer(label: "money") {
            payments { amount }
            balance
          }
        }
      }
    `;

    const results: unknown[] = [];
    const complete = Promise.withResolvers<void>();
    client.watchQuery({ query }).subscribe(({ data, dataState, error }) => {
      if (dataState === 'empty') return;
      results.push(data);
      if (dataState === 'streaming') release();
      else complete.resolve();
      if (error) complete.reject(error);
    });
    await complete.promise;
    client.stop();

    const named = (id: string) => ({ __typename: 'Customer', id, name: `Customer ${id}` });
    const whole = (id: string) => ({
      ...named(id),
      payments: [{ __typename: 'Payment', amount: Number(id) * 100 }],
      balance: Number(id),
    });
    expect(results).toEqual([{ customers: [named('1'), named('2')] }, { customers: [whole('1'), whole('2')] }]);
  });
});
