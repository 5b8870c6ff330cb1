import { randomBytes } from 'node:crypto';
import v8 from 'node:v8';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { openEventStream, refusalOf } from '../helpers/event-stream.ts';
import { readMetrics } from '../helpers/prometheus.ts';
import { connectRaw, postText, type RawSocket } from '../helpers/raw-socket.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { connectWebhooks, postHubSpot, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * Clients that break the rules of their transport: they harm nobody, and leave nothing behind.
 */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    env: { ...WEBHOOKS, SUBSCRIPTION_HEARTBEAT_S: '1', ADMIN_PORT: '0', CALL_REPORT: 'off', WRITE_TIMEOUT_MS: '1000' },
  });
  connectWebhooks(stack, stack.url);
});
afterAll(() => stack?.close());

const isServed = async (): Promise<boolean> => (await fetch(`${stack.url}/health/live`)).ok;

/** A WebSocket whose session has begun, and the messages that it has received. */
const openSocket = async (headers: Record<string, string> = {}, url = stack.url) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
  // biome-ignore lint/suspicious/noExplicitAny: any message
  const messages: any[] = [];
  socket.on('error', () => {});
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = new Promise<number>((resolve) => void socket.once('close', resolve));
  await new Promise((resolve) => socket.once('open', resolve));
  const send = (message: object): void => socket.send(JSON.stringify(message));
  send({ type: 'connection_init' });
  await expect.poll(() => messages[0]?.type).toBe('connection_ack');
  return { socket, messages, send, closed };
};

const QUERY = 'subscription { customerChanged { id } }';

/** The numbers of subscribers and of groups. */
const subscriptions = async (): Promise<unknown[]> => {
  const { value } = await readMetrics(stack.adminUrl);
  return [value('tributary_subscription_subscribers'), value('tributary_subscription_groups')];
};

let number = 0;
const change = async (): Promise<void> => {
  number += 1;
  const event = { eventId: number, subscriptionType: 'contact.propertyChange', objectId: 101, propertyName: 'phone' };
  await postHubSpot(stack.url, [{ ...event, propertyValue: String(number), occurredAt: 1_796_000_000_000 + number }]);
};

const UPGRADE =
  'GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n';

describe('a refused upgrade', () => {
  test('given a client that resets the connection, then the process goes on', async () => {
    for (let count = 0; count < 20; count++) {
      const raw = await connectRaw(stack.url);
      raw.write(`${UPGRADE}origin: https://evil.example\r\n\r\n`);
      if (count % 2 === 0) await raw.until('FORBIDDEN');
      raw.socket.resetAndDestroy();
      await raw.closed;
    }
    expect(await isServed()).toBe(true);
  });

  test('given a client that leaves its side open, then the connection is closed', async () => {
    const raw = await connectRaw(stack.url);
    raw.socket.allowHalfOpen = true;
    raw.write(`${UPGRADE}origin: https://evil.example\r\n\r\n`);
    await raw.until('FORBIDDEN');
    await expect
      .poll(() => {
        // Answered with a reset, as nobody is there any more.
        raw.write('x');
        return raw.socket.destroyed;
      })
      .toBe(true);
  });
});

describe('a client that sends, and reads nothing', () => {
  test('given messages that are answered, then no more of them are read', async () => {
    const { socket, closed } = await openSocket();
    (socket as unknown as { readonly _socket: { readonly pause: () => void } })._socket.pause();
    const message = JSON.stringify({ type: 'ping', payload: { payload: 'x'.repeat(60_000) } });
    // More than the system buffers.
    const limit = 200 * 1024 * 1024;
    let sent = 0;
    while (socket.readyState === socket.OPEN && sent < limit) {
      await Promise.race([new Promise((resolve) => socket.send(message, resolve)), closed]);
      sent += message.length;
    }
    // It waits to send, and is disconnected.
    expect(sent).toBeLessThan(limit);
    expect(await closed).toBe(1006);
    expect(await isServed()).toBe(true);
  });
});

describe('nothing stays behind', () => {
  test('of a WebSocket whose client uses the id of a completed operation again', async () => {
    const { socket, send, closed } = await openSocket();
    for (let count = 0; count < 5; count++) {
      send({ id: '1', type: 'subscribe', payload: { query: QUERY } });
      send({ id: '1', type: 'complete' });
    }
    send({ id: '1', type: 'subscribe', payload: { query: QUERY } });
    expect(await closed).toBe(4409);
    socket.terminate();
    await expect.poll(subscriptions).toEqual([0, 0]);
  });

  test('of the decisions whether events are wanted', { tags: ['long'] }, async () => {
    const stream = await openEventStream(stack.url, { query: QUERY });
    const changes = async (count: number): Promise<number> => {
      const before = stream.events.length;
      for (let index = 0; index < count; index++) await change();
      await expect.poll(() => stream.events.length).toBe(before + count);
      return v8.queryObjects(AbortController, { format: 'count' });
    };
    const before = await changes(10);
    expect((await changes(100)) - before).toBeLessThan(50);
    stream.close();
  });
});

describe('what a subscription does not need', () => {
  const BY_ID = 'subscription ($id: ID) { customerChanged(id: $id) { firstName } }';
  /** Returns the size of what is alive, in MB. */
  const alive = (): number => {
    // Collects all garbage first.
    v8.queryObjects(AbortController, { format: 'count' });
    return process.memoryUsage().heapUsed / 1e6;
  };
  const junk = (): string => randomBytes(300_000).toString('base64');

  test('given other variables and extensions, then they are not kept while it is open', async () => {
    const { send, socket } = await openSocket();
    const before = alive();
    const streams: RawSocket[] = [];
    const operation = (id: number) => ({
      query: BY_ID,
      variables: { id: String(id), junk: junk() },
      extensions: { junk: junk() },
    });
    for (let index = 0; index < 20; index++) {
      send({ id: `s${index}`, type: 'subscribe', payload: operation(100 + index) });
      const stream = await connectRaw(stack.url);
      streams.push(stream);
      stream.write(postText(JSON.stringify(operation(200 + index)), { headers: 'accept: text/event-stream\r\n' }));
      await stream.until(':\n\n');
    }
    await expect.poll(async () => (await subscriptions())[0]).toBe(40);
    expect(alive() - before).toBeLessThan(10);
    for (const stream of streams) stream.socket.destroy();
    socket.terminate();
    await expect.poll(subscriptions).toEqual([0, 0]);
  });

  test('given documents that are all different, then there is a limit', async () => {
    const open = (count: number) =>
      openEventStream(stack.url, { query: `${QUERY} #${String(count).padEnd(90_000, 'x')}` });
    const streams = [];
    let stream = await open(0);
    for (; stream.status === 200; stream = await open(streams.length)) {
      streams.push(stream);
    }
    expect(streams.length).toBe(11);
    expect(await refusalOf(stream)).toMatchObject({ errors: [{ extensions: { code: 'OVERLOADED' } }] });
    // One that is open already is no other.
    const equal = await open(3);
    await expect.poll(async () => (await subscriptions())[0]).toBe(12);
    for (const one of [...streams, equal]) one.close();
    await expect.poll(subscriptions).toEqual([0, 0]);
    const again = await open(99);
    await expect.poll(async () => (await subscriptions())[0]).toBe(1);
    again.close();
    await expect.poll(subscriptions).toEqual([0, 0]);
  });
});

describe('REQUEST_BUFFER_MAX_MIB', () => {
  let small: Awaited<ReturnType<Stack['startAnother']>>;
  beforeAll(async () => {
    small = await stack.startAnother({ ...WEBHOOKS, REQUEST_BUFFER_MAX_MIB: '1' });
  });
  afterAll(() => small?.close());
  const padded = (query: string): string => JSON.stringify({ query }) + ' '.repeat(700_000);
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${small.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });

  test('given open streams, then the bodies of their requests do not count', async () => {
    const streams = [];
    for (let count = 0; count < 3; count++) streams.push(await post(padded(QUERY), { accept: 'text/event-stream' }));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await post(padded('{ __typename }'))).status).toBe(200);
    for (const { body } of streams) await body?.cancel();
  });

  test('given messages over WebSocket that are not completed, then the connection with the oldest is closed', async () => {
    const half = async () => {
      const client = await openSocket({}, small.url);
      client.socket.send(' '.repeat(600_000), { fin: false });
      return client;
    };
    const first = await half();
    const second = await half();
    expect(await first.closed).toBe(1006);
    expect(second.socket.readyState).toBe(WebSocket.OPEN);
    // Bodies count, too.
    expect((await post(padded('{ __typename }'))).status).toBe(200);
    expect(await second.closed).toBe(1006);
  });

  test('given messages over WebSocket that have been executed, then they do not count', async () => {
    const { send, messages, socket } = await openSocket({}, small.url);
    for (let count = 1; count <= 5; count++) {
      send({
        id: String(count),
        type: 'subscribe',
        payload: { query: '{ __typename }', extensions: { x: 'x'.repeat(600_000) } },
      });
      await expect.poll(() => messages.at(-1)).toMatchObject({ id: String(count), type: 'complete' });
    }
    // They are no part of a message.
    for (let ping = 0; ping < 9_000; ping++) socket.ping('x'.repeat(125));
    await new Promise((resolve) => socket.once('pong', resolve));
    expect((await post(padded('{ __typename }'))).status).toBe(200);
    send({ id: 'last', type: 'subscribe', payload: { query: '{ __typename }' } });
    await expect.poll(() => messages.at(-1)).toMatchObject({ id: 'last', type: 'complete' });
    socket.terminate();
  });

  test('given operations before the session has begun, then they are not kept', async () => {
    const socket = new WebSocket(`${small.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await new Promise((resolve) => socket.once('open', resolve));
    // It never learns that it was closed.
    (socket as unknown as { readonly _socket: { readonly pause: () => void } })._socket.pause();
    for (let count = 0; count < 5; count++) {
      const operation = { query: QUERY, extensions: { x: 'x'.repeat(600_000) } };
      const message = JSON.stringify({ id: String(count), type: 'subscribe', payload: operation });
      await new Promise((resolve) => socket.send(message, resolve));
    }
    await expect.poll(async () => (await post(padded('{ __typename }'))).status).toBe(200);
    socket.terminate();
  });

  test('given parameters of a connection that are long, then it is closed', async () => {
    const socket = new WebSocket(`${small.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    socket.once('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { junk: 'x'.repeat(100_000) } })),
    );
    expect(await new Promise((resolve) => void socket.once('close', resolve))).toBe(4400);
  });
});

describe('WebSocket as a way around the rules of HTTP', () => {
  test('operations are not explained', async () => {
    const { send, messages, socket } = await openSocket({ 'x-tributary-explain': '1' });
    send({ id: '1', type: 'subscribe', payload: { query: '{ customer(id: "101") { firstName } }' } });
    await expect
      .poll(() => messages[1])
      .toMatchObject({ type: 'error', payload: [{ extensions: { code: 'FORBIDDEN' } }] });
    socket.terminate();
  });

  test.each([
    ['line breaks', 'Bearer a\nx-tenant: b'],
    ['more than a header may have', `Bearer ${'x'.repeat(100_000)}`],
  ])('a parameter in place of a header may not have %s', async (_name, authorization) => {
    const socket = new WebSocket(`${stack.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const closed = new Promise<number>((resolve) => void socket.once('close', resolve));
    socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } })));
    expect(await closed).toBe(4400);
  });
});

test.each(['a\n\nevent: next\ndata: {}\n\nid: b', '', 'x'.repeat(201), 17])(
  'a place that is no id is refused: %j',
  async (lastEventId) => {
    const stream = await openEventStream(stack.url, { query: QUERY, extensions: { tributary: { lastEventId } } });
    await stream.ended;
    expect(stream.results()).toMatchObject([{ errors: [{ extensions: { code: 'EVENTS_EXPIRED' } }] }]);
  },
);

test('WebSockets without an operation make way for other connections, and those with a subscription do not', async () => {
  const { url, close } = await startStack({ env: { ...WEBHOOKS, MAX_CONNECTIONS: '3' } });
  onTestFinished(close);
  /** Waits until all that was sent before has been received. */
  const flush = async ({ send, messages }: Awaited<ReturnType<typeof openSocket>>): Promise<void> => {
    const before = messages.length;
    send({ type: 'ping' });
    await expect.poll(() => messages.slice(before).map(({ type }) => type)).toContain('pong');
  };
  const busy = await openSocket({}, url);
  busy.send({ type: 'subscribe', id: '1', payload: { query: QUERY } });
  await flush(busy);
  const idle = [await openSocket({}, url), await openSocket({}, url), await openSocket({}, url)];
  await idle[0]?.closed;
  expect((await fetch(`${url}/health/live`)).ok).toBe(true);
  await idle[1]?.closed;
  await flush(busy);
  busy.send({ type: 'complete', id: '1' });
  await flush(busy);
  for (let count = 0; count < 3; count += 1) await openSocket({}, url);
  await busy.closed;
});
