import { afterEach, describe, expect, test } from 'vitest';
import { type Federation, startFederation } from '../helpers/federation.ts';
import { bodyOf, connectRaw, postText, type RawSocket, readSlowly } from '../helpers/raw-socket.ts';

/* Slow and silent peers: they do not affect others, and each is disconnected in time. */

const MIB = 1024 * 1024;
// Exceeds the socket buffers of the system, so that sending waits for the reader.
const LARGE = 'x'.repeat(16 * MIB);
const SCHEMA = 'type Query { version: String  large: String }';
const FIELDS = { 'Query.version': () => 'first', 'Query.large': () => LARGE };
const VERSION = JSON.stringify({ query: '{ version }' });
const GET_LIVE = 'GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';

let close: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(close.map((one) => one()));
  close = [];
});

const start = async (env: Record<string, string> = {}): Promise<Federation<'one'>> => {
  const federation = await startFederation({ one: { schema: SCHEMA, fields: FIELDS } }, env);
  close.push(federation.close);
  return federation;
};

const connectTo = async (url: string, options?: { isDeaf: boolean }): Promise<RawSocket> => {
  const raw = await connectRaw(url, options);
  close.unshift(async () => void raw.socket.destroy());
  return raw;
};

/** Makes the subgraph hold requests for `slow` until the gate opens. `reached` resolves when the first one arrives. */
const gateSlow = ({ subgraphs }: Federation<'one'>) => {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()];
  subgraphs.one.before = (_response, { query }) => {
    if (!query.includes('slow')) return false;
    reached.resolve();
    return gate.promise;
  };
  close.unshift(async () => gate.resolve(false));
  return { reached: reached.promise, open: () => gate.resolve(false) };
};

/** Creates a client that requests a large response and does not read it. */
const askDeaf = async (url: string, headers = ''): Promise<RawSocket> => {
  const deaf = await connectTo(url, { isDeaf: true });
  deaf.write(postText(JSON.stringify({ query: '{ large }' }), { headers }));
  return deaf;
};

/** Waits until the previous request has finished, if only one may run at a time. */
const untilAnswered = async ({ ask, subgraphs }: Federation<'one'>): Promise<void> => {
  await expect.poll(() => subgraphs.one.requests.length).toBeGreaterThan(0);
  await expect.poll(async () => (await ask('{ version }')).status).toBe(200);
};

const ONE_AT_A_TIME = { MAX_REQUESTS: '1', MAX_WAITING_REQUESTS: '0' };

describe('a slot is occupied only by work', () => {
  test('given bodies that never end, then another request is answered', async () => {
    const { url, ask } = await start(ONE_AT_A_TIME);
    const slow = await Promise.all(Array.from({ length: 50 }, () => connectTo(url)));
    for (const raw of slow) raw.write(postText(VERSION, { length: 1_000, headers: 'expect: 100-continue\r\n' }));
    // By now their headers have arrived, and nothing else will.
    await Promise.all(slow.map((raw) => raw.until('100 Continue')));
    expect(await ask('{ version }')).toMatchObject({ status: 200, data: { version: 'first' } });
  });

  test('given a client that does not read its response, then another request is answered', async () => {
    const federation = await start(ONE_AT_A_TIME);
    const deaf = await askDeaf(federation.url);
    await untilAnswered(federation);
    expect(deaf.isOpen()).toBe(true);
  });

  test('given a request that times out while waiting for admission, then it gets 503', async () => {
    const federation = await start({ MAX_REQUESTS: '1', REQUEST_TIMEOUT_MS: '1000' });
    const { reached } = gateSlow(federation);
    // It arrives before the running request that it waits for, so it times out first.
    const waiting = await connectTo(federation.url);
    waiting.write(postText('', { length: VERSION.length, headers: 'expect: 100-continue\r\n' }));
    await waiting.until('100 Continue');
    const running = federation.ask('{ slow: version }');
    // On a busy machine, it may time out before.
    await Promise.race([reached, running]);
    waiting.write(VERSION);
    await waiting.until('OVERLOADED');
    expect(waiting.received()).toMatch(/HTTP\/1\.1 503[\s\S]*retry-after: 1/);
    expect((await running).errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_TIMEOUT');
  });

  test('given a request that times out before its body arrives, then it gets 503 and does not run', async () => {
    const federation = await start({ REQUEST_TIMEOUT_MS: '200' });
    gateSlow(federation);
    const { requests } = federation.subgraphs.one;
    const late = await connectTo(federation.url);
    late.write(postText('', { length: VERSION.length, headers: 'expect: 100-continue\r\n' }));
    await late.until('100 Continue');
    // Starts later, and ends at its own timeout: on a busy machine perhaps before it has reached the subgraph.
    await expect
      .poll(async () => {
        const { errors } = await federation.ask('{ slow: version }');
        return errors?.[0]?.extensions?.['code'];
      })
      .toBe('UPSTREAM_TIMEOUT');
    const before = requests.length;
    late.write(VERSION);
    await late.until('OVERLOADED');
    expect(requests).toHaveLength(before);
  });

  test('given all slots occupied, then /health/live responds', async () => {
    const federation = await start(ONE_AT_A_TIME);
    const gate = gateSlow(federation);
    const running = federation.ask('{ slow: version }');
    await gate.reached;
    expect((await federation.ask('{ version }')).status).toBe(503);
    expect((await fetch(`${federation.url}/health/live`)).status).toBe(200);
    gate.open();
    expect((await running).status).toBe(200);
  });
});

describe('timeouts', () => {
  const TIMED_OUT = { errors: [{ extensions: { code: 'BAD_REQUEST' } }] };

  test('an incomplete header gets 408', async () => {
    const { url } = await start({ HEADER_TIMEOUT_MS: '100' });
    const slow = await connectTo(url);
    slow.write('POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n');
    const text = await slow.closed;
    expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(bodyOf(text)).toMatchObject(TIMED_OUT);
  });

  test('a connection that sends nothing is closed', async () => {
    const { url } = await start({ HEADER_TIMEOUT_MS: '100' });
    expect(await (await connectTo(url)).closed).toBe('');
  });

  test.each(['stops', 'arrives one byte at a time'])('a body that %s gets 408', async (pace) => {
    const { url } = await start({ HEADER_TIMEOUT_MS: '60000', BODY_TIMEOUT_MS: '200' });
    const slow = await connectTo(url);
    slow.write(postText('{', { length: 100_000 }));
    const timer = pace.includes('byte') ? setInterval(() => slow.write(' '), 5) : undefined;
    const text = await slow.closed;
    clearInterval(timer);
    expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(bodyOf(text)).toMatchObject(TIMED_OUT);
  });

  test('a body that is not read times out too', async () => {
    const { url } = await start({ HEADER_TIMEOUT_MS: '60000', BODY_TIMEOUT_MS: '200' });
    const slow = await connectTo(url);
    slow.write('GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n');
    expect((await slow.closed).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  });

  test('a connection without requests is closed', async () => {
    const { url } = await start({ IDLE_TIMEOUT_MS: '100' });
    const idle = await connectTo(url);
    idle.write(GET_LIVE);
    expect(await idle.closed).toMatch(/^HTTP\/1\.1 200/);
  });

  test.each(['nothing', 'requests'])(
    'a response that is not read ends its connection, while %s arrive',
    async (sent) => {
      const { url } = await start({ WRITE_TIMEOUT_MS: '200' });
      const deaf = await askDeaf(url);
      const timer = sent === 'requests' ? setInterval(() => deaf.write(GET_LIVE), 20) : undefined;
      await expect.poll(deaf.isOpen).toBe(false);
      clearInterval(timer);
      deaf.socket.resume();
      expect((await deaf.closed).length).toBeLessThan(LARGE.length);
    },
  );

  test('a response as an event stream that is not read ends its connection', async () => {
    const { url } = await start({ WRITE_TIMEOUT_MS: '200' });
    const deaf = await askDeaf(url, 'accept: text/event-stream\r\n');
    // Sent, and not waited for any more.
    await expect.poll(deaf.isOpen).toBe(false);
    deaf.socket.resume();
    expect((await deaf.closed).length).toBeLessThan(LARGE.length);
  });

  test('a response that is read slowly arrives', { tags: ['long'] }, async () => {
    const { url } = await start({ WRITE_TIMEOUT_MS: '3000' });
    const slow = await askDeaf(url);
    const started = performance.now();
    readSlowly(slow, 20);
    await slow.until('"}}');
    expect(slow.received().length).toBeGreaterThan(LARGE.length);
    expect(performance.now() - started).toBeGreaterThan(3_500);
  });

  test('a request that runs longer than the write timeout is answered', async () => {
    const federation = await start({ WRITE_TIMEOUT_MS: '1000', IDLE_TIMEOUT_MS: '1000' });
    const gate = gateSlow(federation);
    // Pipelined behind another request whose response is read slowly enough to be timed.
    const raw = await askDeaf(federation.url);
    raw.write(postText(JSON.stringify({ query: '{ slow: version }' })));
    await gate.reached;
    readSlowly(raw);
    await raw.until('"}}');
    // An idle connection goes first: it is timed from later on, and for longer.
    const idle = await connectTo(federation.url);
    idle.write(GET_LIVE);
    await idle.closed;
    gate.open();
    await raw.until('"slow":"first"');
  });
});

describe('limits', () => {
  test('beyond MAX_CONNECTIONS the longest waiting one is closed, and none with a running request', async () => {
    const federation = await start({ MAX_CONNECTIONS: '3' });
    const gate = gateSlow(federation);
    const running = await connectTo(federation.url);
    running.write(postText(JSON.stringify({ query: '{ slow: version }' })));
    await gate.reached;
    const half = await connectTo(federation.url);
    half.write('POST /graphql HTTP/1.1\r\n');
    const used = await connectTo(federation.url);
    used.write(GET_LIVE);
    await used.until('"ok"');
    const next = await connectTo(federation.url);
    next.write(GET_LIVE);
    await next.until('"ok"');
    await half.closed;
    // Again, with a client that has its own connections.
    expect((await fetch(`${federation.url}/health/live`)).status).toBe(200);
    await used.closed;
    gate.open();
    await running.until('"slow":"first"');
  });

  test('beyond REQUEST_BUFFER_MAX_MIB the slowest request body is rejected', async () => {
    const { url, ask } = await start({ REQUEST_BUFFER_MAX_MIB: '1' });
    const part = ' '.repeat(600_000);
    const first = await connectTo(url);
    first.write(postText(part, { length: MIB - 1 }));
    const second = await connectTo(url);
    second.write(postText(part, { length: part.length + VERSION.length }));
    const gone = await first.closed;
    expect(gone).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(bodyOf(gone)).toMatchObject({ errors: [{ extensions: { code: 'OVERLOADED' } }] });
    expect((await ask('{ version }')).status).toBe(200);
    second.write(VERSION);
    await second.until('{"data":{"version":"first"}}');
  });

  test('bytes of bodies no longer count after their responses', async () => {
    const { url } = await start({ REQUEST_BUFFER_MAX_MIB: '1' });
    for (let count = 0; count < 4; count += 1) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: VERSION.padEnd(600_000),
      });
      expect(await response.json()).toEqual({ data: { version: 'first' } });
    }
  });

  test('beyond RESPONSE_BUFFER_MAX_MIB the response that has been unread longest is dropped', async () => {
    const federation = await start({ ...ONE_AT_A_TIME, RESPONSE_BUFFER_MAX_MIB: '24' });
    const first = await askDeaf(federation.url);
    await untilAnswered(federation);
    const second = await askDeaf(federation.url);
    await expect.poll(first.isOpen).toBe(false);
    second.socket.resume();
    await second.until('"}}');
    expect(second.received().length).toBeGreaterThan(LARGE.length);
  });
});

test('a shutdown waits for running requests, but not for slow peers', async () => {
  const federation = await start({ ...ONE_AT_A_TIME, SHUTDOWN_GRACE_MS: '60000' });
  const gate = gateSlow(federation);
  const deaf = await askDeaf(federation.url);
  await untilAnswered(federation);
  const [unused, idle, header, body, running] = [
    await connectTo(federation.url),
    await connectTo(federation.url),
    await connectTo(federation.url),
    await connectTo(federation.url),
    await connectTo(federation.url),
  ];
  idle.write(GET_LIVE);
  await idle.until('"ok"');
  header.write('POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n');
  body.write(postText('', { length: 1_000, headers: 'expect: 100-continue\r\n' }));
  await body.until('100 Continue');
  running.write(postText(JSON.stringify({ query: '{ slow: version }' })));
  await gate.reached;
  const closing = federation.gateway.close();
  close = close.filter((one) => one !== federation.close);
  await Promise.all([unused.closed, idle.closed, header.closed]);
  expect(await body.closed).toMatch(/HTTP\/1\.1 503[\s\S]*OVERLOADED/);
  await expect.poll(deaf.isOpen).toBe(false);
  gate.open();
  expect(await running.closed).toMatch(/HTTP\/1\.1 200[\s\S]*connection: close[\s\S]*"slow":"first"/i);
  await closing;
});

test('a shutdown lets a response that is being read complete', async () => {
  const federation = await start(ONE_AT_A_TIME);
  const reader = await askDeaf(federation.url);
  await untilAnswered(federation);
  const closing = federation.gateway.close();
  close = close.filter((one) => one !== federation.close);
  reader.socket.resume();
  const response = await reader.closed;
  expect([response.length > LARGE.length, response.trim().slice(-3)]).toEqual([true, '"}}']);
  await closing;
});
