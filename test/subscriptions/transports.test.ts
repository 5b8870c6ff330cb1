import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { fetchExchange, subscriptionExchange, Client as UrqlClient } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient, type Client as WsClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openEventStream, refusalOf } from '../helpers/event-stream.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { connectWebhooks, postHubSpot, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * One subscription over each transport, with the libraries that apps use for it.
 */

const QUERY = 'subscription Changed($id: ID) { customerChanged(id: $id) { __typename id firstName } }';
const DATA = { customerChanged: { __typename: 'Customer', id: '101', firstName: 'Ada' } };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { ...WEBHOOKS, SUBSCRIPTION_HEARTBEAT_S: '1' } });
  connectWebhooks(stack, stack.url);
});
afterAll(() => stack?.close());

let eventNumber = 0;
const change = (objectId = 101): Promise<unknown> => {
  eventNumber += 1;
  return postHubSpot(stack.url, [
    {
      eventId: eventNumber,
      subscriptionType: 'contact.propertyChange',
      objectId,
      propertyName: 'phone',
      propertyValue: String(eventNumber),
      occurredAt: 1_796_000_000_000 + eventNumber,
    },
  ]);
};

type Subscribe = (receive: (result: { readonly data?: unknown }) => void) => () => void;

/** Subscribes, and repeats a change until it arrives: clients do not tell when their subscription has begun. */
const expectChange = async (subscribe: Subscribe): Promise<void> => {
  const received: unknown[] = [];
  const unsubscribe = subscribe(({ data }) => received.push(data));
  await expect
    .poll(async () => {
      await change();
      return received[0];
    })
    .toEqual(DATA);
  unsubscribe();
};

const socketUrl = (): string => `${stack.url.replace('http', 'ws')}/graphql`;

const withSocket = async (use: (client: WsClient) => Promise<void>, options: object = {}): Promise<void> => {
  const client = createWsClient({ url: socketUrl(), webSocketImpl: WebSocket, retryAttempts: 0, ...options });
  try {
    await use(client);
  } finally {
    await client.dispose();
  }
};

const operation = { query: QUERY, variables: { id: '101' } };

describe('clients', () => {
  test('graphql-sse', async () => {
    const client = createSseClient({ url: `${stack.url}/graphql` });
    await expectChange((receive) =>
      client.subscribe(operation, { next: receive, error: () => {}, complete: () => {} }),
    );
    client.dispose();
  });

  test('graphql-ws', () =>
    withSocket((client) =>
      expectChange((receive) => client.subscribe(operation, { next: receive, error: () => {}, complete: () => {} })),
    ));

  test('Apollo Client over multipart', async () => {
    const client = new ApolloClient({
      link: new HttpLink({ uri: `${stack.url}/graphql` }),
      cache: new InMemoryCache(),
    });
    await expectChange((receive) => {
      const subscription = client.subscribe({ query: gql(QUERY), variables: operation.variables }).subscribe(receive);
      return () => subscription.unsubscribe();
    });
    client.stop();
  });

  test('Apollo Client over WebSocket', () =>
    withSocket(async (socket) => {
      const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
      await expectChange((receive) => {
        const subscription = client.subscribe({ query: gql(QUERY), variables: operation.variables }).subscribe(receive);
        return () => subscription.unsubscribe();
      });
      client.stop();
    }));

  test('urql over server-sent events, and over WebSocket', async () => {
    const sse = new UrqlClient({
      url: `${stack.url}/graphql`,
      exchanges: [fetchExchange],
      fetchSubscriptions: true,
      preferGetMethod: false,
    });
    await expectChange((receive) => sse.subscription(QUERY, operation.variables).subscribe(receive).unsubscribe);
    await withSocket(async (socket) => {
      const client = new UrqlClient({
        url: `${stack.url}/graphql`,
        exchanges: [
          subscriptionExchange({
            forwardSubscription: ({ query = '', variables }) => ({
              subscribe: (sink) => ({
                unsubscribe: socket.subscribe({ query, variables: { ...variables } }, sink as never),
              }),
            }),
          }),
        ],
      });
      await expectChange((receive) => client.subscription(QUERY, operation.variables).subscribe(receive).unsubscribe);
    });
  });
});

describe('server-sent events', () => {
  test('the exact text', async () => {
    const stream = await openEventStream(stack.url, operation);
    expect(stream.status).toBe(200);
    expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.headers.get('cache-control')).toBe('no-cache, no-transform');
    // Known before the first event, so that none is lost.
    await expect.poll(() => stream.lastEventId()).toMatch(/^[0-9a-f]+-\d+-\d+$/);
    await change();
    await expect.poll(() => stream.events).toHaveLength(1);
    const id = stream.lastEventId();
    expect(stream.events[0]).toEqual({
      event: 'next',
      id,
      data: JSON.stringify({ data: DATA, extensions: { tributary: { eventId: id } } }),
    });
    stream.close();
    expect(await stream.ended).toMatch(/^id: \S+\n\n(:\n\n)*id: \S+\nevent: next\ndata: \{.*\}\n\n(:\n\n)*$/);
  });

  test('an idle stream gets heartbeats', async () => {
    const stream = await openEventStream(stack.url, operation);
    const texts: string[] = [];
    void stream.ended.then((text) => texts.push(text));
    const idle = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(operation),
    });
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of idle.body ?? []) {
      text += decoder.decode(chunk as Uint8Array);
      if (text.endsWith(':\n\n:\n\n')) break;
    }
    stream.close();
  });

  test('a query is answered as a stream of one result', async () => {
    const stream = await openEventStream(stack.url, { query: '{ customer(id: "101") { firstName } }' });
    expect(await stream.ended).toBe(
      ':\n\nevent: next\ndata: {"data":{"customer":{"firstName":"Ada"}}}\n\nevent: complete\ndata: \n\n',
    );
  });

  test('a client that accepts no stream is told which there are', async () => {
    const { status, errors } = await stack.ask(QUERY);
    expect(status).toBe(406);
    expect(errors).toEqual([
      {
        message:
          'The response to a subscription is a stream. Accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, or use a WebSocket.',
        extensions: { code: 'BAD_REQUEST' },
      },
    ]);
  });

  test('an invalid subscription is refused in the stream, at once', async () => {
    const query = 'subscription { nothing }';
    const refused = { errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] };
    const stream = await openEventStream(stack.url, { query });
    expect(await refusalOf(stream)).toMatchObject(refused);
    expect(stream.status).toBe(200);
    expect(stream.events.at(-1)?.event).toBe('complete');
    // The client would repeat the request after another status.
    const errors: unknown[] = [];
    const client = createSseClient({ url: `${stack.url}/graphql`, retryAttempts: 0 });
    await new Promise<void>((resolve) => {
      client.subscribe({ query }, { next: (one) => errors.push(one), error: () => resolve(), complete: resolve });
    });
    expect(errors).toMatchObject([refused]);
    client.dispose();
    const either = await openEventStream(stack.url, { query }, { accept: 'text/event-stream, application/json;q=0.9' });
    expect([either.status, either.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(await refusalOf(either)).toMatchObject(refused);
  });
});

describe('multipart', () => {
  test('a query of a client that accepts nothing else is answered in one part', async () => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'multipart/mixed;subscriptionSpec="1.0"' },
      body: JSON.stringify({ query: '{ customer(id: "101") { firstName } }' }),
    });
    const HEAD = '\r\ncontent-type: application/json; charset=utf-8\r\n\r\n';
    const part = '{"payload":{"data":{"customer":{"firstName":"Ada"}}}}';
    expect(await response.text()).toBe(`--graphql${HEAD}${part}\r\n--graphql--\r\n`);
  });

  test('the place before the first event is in a header', async () => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'multipart/mixed;subscriptionSpec="1.0"' },
      body: JSON.stringify(operation),
    });
    expect(response.headers.get('x-tributary-event-id')).toMatch(/^[0-9a-f]+-\d+-\d+$/);
    await response.body?.cancel();
  });

  test('the exact text', async () => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json',
      },
      body: JSON.stringify(operation),
    });
    expect(response.headers.get('content-type')).toBe('multipart/mixed;boundary="graphql";subscriptionSpec=1.0');
    const HEAD = '\r\ncontent-type: application/json; charset=utf-8\r\n\r\n';
    let text = '';
    let sent = false;
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array);
      if (!sent) {
        sent = true;
        await change();
      }
      if (text.includes('payload')) break;
    }
    const heartbeat = `${HEAD}{}\r\n--graphql`;
    const [start = '', rest = ''] = text.replaceAll(heartbeat, '').split(`${HEAD}{"payload":`);
    expect(start).toBe('--graphql');
    const json = rest.slice(0, rest.indexOf('\r\n'));
    expect(JSON.parse(`{"payload":${json}`)).toEqual({
      payload: { data: DATA, extensions: { tributary: { eventId: expect.stringMatching(/-\d+-0$/) } } },
    });
    expect(rest.slice(json.length)).toBe('\r\n--graphql');
  });
});

describe('WebSocket', () => {
  const run = (client: WsClient, query: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const results: unknown[] = [];
      client.subscribe(
        { query },
        { next: (result) => results.push(result), error: reject, complete: () => resolve(results) },
      );
    });

  test('queries and mutations', () =>
    withSocket(async (client) => {
      expect(await run(client, '{ customer(id: "101") { firstName } }')).toEqual([
        { data: { customer: { firstName: 'Ada' } } },
      ]);
      const mutation = 'mutation { updateCustomer(input: { id: "102", phone: "+46 1" }) { customer { phone } } }';
      expect(await run(client, mutation)).toEqual([{ data: { updateCustomer: { customer: { phone: '+46 1' } } } }]);
    }));

  test('errors of a request, and errors of its fields', () =>
    withSocket(async (client) => {
      await expect(run(client, '{ nothing }')).rejects.toMatchObject([
        { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
      ]);
      expect(await run(client, '{ payment(id: "?") { id } customer(id: "101") { firstName } }')).toMatchObject([
        {
          data: { payment: null, customer: { firstName: 'Ada' } },
          errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
        },
      ]);
      await expect(run(client, 'subscription { stockChanged { sku } }')).rejects.toMatchObject([
        { extensions: { code: 'SUBSCRIPTIONS_UNAVAILABLE' } },
      ]);
    }));

  const refusal = (url: string, options: object, protocol = 'graphql-transport-ws'): Promise<unknown> =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocol, options);
      socket.once('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve([response.statusCode, JSON.parse(body).errors[0].extensions.code]));
      });
      socket.once('open', () => resolve('open'));
      socket.on('error', () => {});
    });

  test('pages of other origins, other hosts, paths and protocols are refused', async () => {
    expect(await refusal(socketUrl(), { origin: 'https://evil.example' })).toEqual([403, 'FORBIDDEN']);
    expect(await refusal(socketUrl(), { headers: { host: 'rebound.example' } })).toEqual([421, 'BAD_REQUEST']);
    expect(await refusal(socketUrl().replace('/graphql', '/other'), {})).toEqual([404, 'NOT_FOUND']);
    expect(await refusal(socketUrl(), {}, 'graphql-ws')).toEqual([400, 'BAD_REQUEST']);
    expect(await refusal(socketUrl(), { origin: stack.url })).toBe('open');
  });

  test('a message that is too large, too deep or no JSON closes the connection', async () => {
    const closeCode = (message: string): Promise<number> =>
      new Promise((resolve) => {
        const socket = new WebSocket(socketUrl(), 'graphql-transport-ws');
        socket.once('open', () => socket.send(message));
        socket.once('close', resolve);
      });
    expect(await closeCode('x')).toBe(4400);
    expect(await closeCode('{"type":"next","id":"1","payload":{}}')).toBe(4400);
    expect(await closeCode(`{"type":"connection_init","payload":${'['.repeat(5_000)}${']'.repeat(5_000)}}`)).toBe(4400);
    expect(await closeCode(`{"type":"connection_init","payload":{"a":"${'x'.repeat(1_100_000)}"}}`)).toBe(1009);
  });
});
