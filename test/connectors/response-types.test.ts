import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions, ResponseType } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import { readSettings, secret, url } from '../../connectors/settings.ts';
import { createCallStats } from '../../telemetry/call-stats.ts';
import { resetClock, stopClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* Response bodies as bytes or streams. */

const MIB = 1024 * 1024;

const files = defineProvider({
  name: 'files',
  title: 'Files',
  envPrefix: 'FILES',
  settings: { BASE_URL: secret(url(), '') },
  identity: ({ BASE_URL }) => [BASE_URL],
  defaults: { timeoutMs: 60_000, concurrency: 1 },
  rateLimits: [{ name: 'account', calls: 1_000, windowMs: 1_000 }],
  cachePolicies: {},
  transport: http(),
  api: ({ send }, { BASE_URL }) => {
    const request = (operation: string) => ({
      operation,
      method: 'GET' as const,
      url: `${BASE_URL}${operation}`,
      headers: {},
      write: false,
    });
    return {
      text: (path: string, options: RequestOptions = {}) => send({ ...options, ...request(path) }),
      bytes: (path: string, options: RequestOptions = {}) =>
        send({ ...options, ...request(path), responseType: 'bytes' }),
      stream: (path: string, options: RequestOptions = {}) =>
        send({ ...options, ...request(path), responseType: 'stream' }),
      writeStream: (path: string) => send({ ...request(path), method: 'POST', write: true, responseType: 'stream' }),
      any: (path: string, responseType: ResponseType) => send({ ...request(path), responseType }),
    };
  },
  reads: () => ({}),
});

let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  closing = [];
  resetClock();
});

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const start = async (answers: Readonly<Record<string, Answer>>, env: Readonly<Record<string, string>> = {}) => {
  const seen: string[] = [];
  /** Paths whose response has ended or whose connection closed before its end. */
  const closed: string[] = [];
  const server = await startHttpServer((request, response) => {
    const path = String(request.url);
    seen.push(path);
    response.once('close', () => closed.push(path));
    const answer = answers[path];
    if (answer) answer(response, request);
    else response.end('{}');
  });
  const infrastructure = createInfrastructure({ cacheBytes: 0 });
  const settings = readSettings(files, { FILES_BASE_URL: server.url, ...env });
  const provider = createProvider(infrastructure, files, { subgraph: 'files', settings });
  // The server first: a stream that a failed test has left open would keep the provider from closing.
  closing.push(() => server.close().then(provider.close));
  /** Makes several round trips, after which immediate effects have happened. */
  const roundTrips = async () => {
    for (let round = 0; round < 5; round += 1) await (await fetch(`${server.url}/round-trip`)).text();
  };
  return {
    api: provider.connect().api,
    seen: () => seen.filter((path) => path !== '/round-trip'),
    closed: () => closed.filter((path) => path !== '/round-trip'),
    roundTrips,
  };
};

const readAll = async (stream: Readable): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);
const sendBytes: Answer = (response) => response.end(BYTES);
/** Sends the headers and a first chunk, and leaves the response open. */
const begin: Answer = (response) => void response.write('first');
const breakOff: Answer = (response) => void response.write('first', () => response.destroy());
const refuse: Answer = (response) => void response.writeHead(422, { 'x-reason': 'size' }).end('{"problem":"ü"}');

test('the type of the body follows from the request', async () => {
  const { api } = await start({ '/file': sendBytes });
  const text = await api.text('/');
  expectTypeOf(text.body).toEqualTypeOf<string>();
  expect(text.body).toBe('{}');
  const bytes = await api.bytes('/file');
  expectTypeOf(bytes.body).toEqualTypeOf<Uint8Array>();
  expect(bytes.body).toEqual(BYTES);
  // The body's memory holds nothing else.
  expect(bytes.body.buffer.byteLength).toBe(BYTES.length);
  const stream = await api.stream('/file');
  expectTypeOf(stream.body).toExtend<Readable>();
  expect(new Uint8Array(await readAll(stream.body))).toEqual(BYTES);
  for (const type of ['text', 'bytes', 'stream'] as const) {
    const { body } = await api.any('/', type);
    expect(typeof body === 'string').toBe(type === 'text');
    if (typeof body !== 'string' && !(body instanceof Uint8Array)) body.destroy();
  }
});

describe.each(['bytes', 'stream'] as const)('a request for %s fails like one for text', (type) => {
  test('given an error status, then the body is text', async () => {
    const { api } = await start({ '/file': refuse });
    const asText = await api.text('/file').catch((error: unknown) => error);
    const error = await api.any('/file', type).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'UPSTREAM_REJECTED',
      details: { status: 422, body: '{"problem":"ü"}', headers: { 'x-reason': 'size' } },
    });
    expect((error as Error).message).toBe((asText as Error).message);
  });

  test('given a 429, then it is retried', async () => {
    let refusals = 1;
    const { api, seen } = await start({
      '/file': (response) => {
        refusals -= 1;
        if (refusals >= 0) response.writeHead(429, { 'retry-after': '0' }).end('slow down');
        else response.end(BYTES);
      },
    });
    const { body } = await api.any('/file', type);
    if (typeof body !== 'string' && !(body instanceof Uint8Array)) await readAll(body);
    expect(seen()).toHaveLength(2);
  });

  test('given an outage, then the circuit opens', async () => {
    // The circuit stays open however long the test takes.
    stopClock();
    const { api, seen } = await start({ '/file': (response) => response.writeHead(500).end('broken') });
    for (let index = 0; index < 5; index += 1) {
      await expect(api.any('/file', type)).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    }
    const before = seen().length;
    await expect(api.any('/file', type)).rejects.toMatchObject({ details: { mayHaveArrived: false } });
    expect(seen()).toHaveLength(before);
  });
});

test('given more bytes than allowed, then the error is UPSTREAM_BAD_RESPONSE', async () => {
  const { api } = await start({ '/file': (response) => response.end(Buffer.alloc(8 * MIB + 1)) });
  await expect(api.bytes('/file')).rejects.toMatchObject({ code: 'UPSTREAM_BAD_RESPONSE', details: { status: 200 } });
});

describe('a stream', () => {
  test('resolves with the headers, and yields chunks as they arrive', async () => {
    let rest: ServerResponse | undefined;
    const stats = createCallStats();
    const { api } = await start({
      '/file': (response) => {
        rest = response;
        response.writeHead(206, { 'x-kind': 'part' }).flushHeaders();
      },
    });
    const { status, headers, body } = await api.stream('/file', { requestStats: new Set([stats]) });
    expect(status).toBe(206);
    expect(headers).toMatchObject({ 'x-kind': 'part' });
    const chunks = body[Symbol.asyncIterator]();
    rest?.write('one');
    expect(String((await chunks.next()).value)).toBe('one');
    // A stream is counted when it ends.
    expect(stats.rows().filter(({ calls }) => calls > 0)).toEqual([]);
    rest?.end('two');
    expect(String((await chunks.next()).value)).toBe('two');
    expect((await chunks.next()).done).toBe(true);
    await expect
      .poll(() => stats.rows())
      .toMatchObject([{ operation: '/file', calls: 1, failures: 0, bytesReceived: 6 }]);
  });

  test('given an empty body, then it ends', async () => {
    const { api } = await start({ '/file': (response) => response.writeHead(204).end() });
    expect(await readAll((await api.stream('/file')).body)).toHaveLength(0);
  });

  test('applies backpressure', async () => {
    const whole = Buffer.alloc(7 * MIB, 'x');
    let answering: ServerResponse | undefined;
    const { api, roundTrips } = await start({
      '/file': (response) => {
        answering = response;
        response.end(whole);
      },
    });
    const { body } = await api.stream('/file');
    await expect.poll(() => body.bytesRead).toBeGreaterThan(0);
    await roundTrips();
    // The stream's buffer, and the chunk that filled it.
    expect(body.bytesRead).toBeLessThanOrEqual(2 * 64 * 1024);
    expect(answering?.writableFinished).toBe(false);
    expect((await readAll(body)).equals(whole)).toBe(true);
  });

  test('given more bytes than allowed, then it fails and its connection is closed', async () => {
    const { api, closed } = await start({
      '/file': (response) => void response.write(Buffer.alloc(8 * MIB + 1)),
    });
    const { body } = await api.stream('/file');
    await expect(readAll(body)).rejects.toMatchObject({ code: 'UPSTREAM_BAD_RESPONSE', details: { status: 200 } });
    await expect.poll(closed).toEqual(['/file']);
  });

  test.each([
    ['gone', new Error('gone'), 'UPSTREAM_CANCELLED'],
    ['out of time', new DOMException('', 'TimeoutError'), 'UPSTREAM_TIMEOUT'],
  ])('given a caller that is %s, then it fails', async (_, reason, code) => {
    const { api, closed } = await start({ '/file': begin });
    const controller = new AbortController();
    const { body } = await api.stream('/file', { signal: controller.signal });
    const chunks = body[Symbol.asyncIterator]();
    expect(String((await chunks.next()).value)).toBe('first');
    const next = chunks.next();
    controller.abort(reason);
    await expect(next).rejects.toMatchObject({ code });
    await expect.poll(closed).toEqual(['/file']);
  });

  test('given it failed before it was read, then a later read gets the error', async () => {
    const { api, closed } = await start({ '/file': begin });
    const controller = new AbortController();
    const { body } = await api.stream('/file', { signal: controller.signal });
    controller.abort();
    await expect.poll(closed).toEqual(['/file']);
    await expect(readAll(body)).rejects.toMatchObject({ code: 'UPSTREAM_CANCELLED' });
  });

  test('given no chunk within the timeout, then it fails', async () => {
    const stats = createCallStats();
    const { api, closed } = await start({ '/file': begin }, { FILES_TIMEOUT_MS: '1000' });
    const { body } = await api.stream('/file', { requestStats: new Set([stats]) });
    await expect(readAll(body)).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    await expect.poll(closed).toEqual(['/file']);
    expect(stats.rows()).toMatchObject([{ calls: 1, failures: 1 }]);
  });

  test('given chunks within the timeout, then it may take longer in total', async () => {
    const { api } = await start(
      {
        '/file': (response) => {
          let left = 12;
          const timer = setInterval(() => {
            response.write('x');
            left -= 1;
            if (left > 0) return;
            clearInterval(timer);
            response.end();
          }, 300);
        },
      },
      { FILES_TIMEOUT_MS: '3000' },
    );
    expect(await readAll((await api.stream('/file')).body)).toHaveLength(12);
  });

  test.each([
    ['incomplete', begin],
    ['larger than the buffer', (response: ServerResponse) => void response.write(Buffer.alloc(MIB))],
    ['complete', (response: ServerResponse) => void response.end('all')],
  ])('given it is %s and not read, then it is closed', async (_, answer) => {
    const { api, closed, seen } = await start({ '/file': answer }, { FILES_TIMEOUT_MS: '1000' });
    const { body } = await api.stream('/file');
    await api.text('/next');
    expect(seen()).toEqual(['/file', '/next']);
    expect(closed()).toContain('/file');
    await expect(readAll(body)).rejects.toMatchObject({ code: expect.stringMatching(/CANCELLED|TIMEOUT/) });
  });

  test('holds its permit until it has ended', async () => {
    let rest: ServerResponse | undefined;
    const { api, seen, roundTrips } = await start({
      '/file': (response, request) => {
        rest = response;
        begin(response, request);
      },
    });
    const { body } = await api.stream('/file');
    const next = api.text('/next');
    await roundTrips();
    expect(seen()).toEqual(['/file']);
    rest?.end();
    await roundTrips();
    // The response has arrived but has not been read.
    expect(seen()).toEqual(['/file']);
    expect(String(await readAll(body))).toBe('first');
    await next;
    expect(seen()).toEqual(['/file', '/next']);
  });

  test('given its reader stops, then it is closed and its permit is released', async () => {
    const { api, closed } = await start({ '/file': begin });
    const { body } = await api.stream('/file');
    for await (const chunk of body) {
      expect(String(chunk)).toBe('first');
      break;
    }
    await api.text('/next');
    await expect.poll(closed).toEqual(['/file', '/next']);
  });

  test('given it breaks off, then it is not retried', async () => {
    const { api, seen } = await start({ '/file': breakOff, '/text': breakOff });
    await expect(readAll((await api.stream('/file')).body)).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    expect(seen()).toEqual(['/file']);
    await expect(api.text('/text')).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    expect(seen()).toEqual(['/file', '/text', '/text', '/text']);
  });

  test('given it belongs to a write and breaks off, then the outcome is unknown', async () => {
    const { api } = await start({ '/file': breakOff });
    const { body } = await api.writeStream('/file');
    await expect(readAll(body)).rejects.toMatchObject({ code: 'UPSTREAM_OUTCOME_UNKNOWN' });
  });

  test('given it keeps breaking off, then the circuit opens; an abort by the caller does not count', async () => {
    // The circuit stays open however long the test takes.
    stopClock();
    const { api, seen } = await start({ '/file': breakOff, '/long': begin });
    for (let index = 0; index < 10; index += 1) {
      const controller = new AbortController();
      const { body } = await api.stream('/long', { signal: controller.signal });
      controller.abort();
      await readAll(body).catch(() => {});
    }
    for (let index = 0; index < 5; index += 1) await readAll((await api.stream('/file')).body).catch(() => {});
    await expect(api.stream('/file')).rejects.toMatchObject({ details: { mayHaveArrived: false } });
    expect(seen()).toHaveLength(15);
  });

  test('given it is not read, then this does not count as a failure of the provider', async () => {
    stopClock();
    const { api, seen } = await start(
      { '/file': (response) => response.end('all') },
      { FILES_TIMEOUT_MS: '1000', FILES_CONCURRENCY: '5' },
    );
    const responses = await Promise.all(Array.from({ length: 5 }, () => api.stream('/file')));
    await expect.poll(() => responses.every(({ body }) => body.closed)).toBe(true);
    await readAll((await api.stream('/file')).body);
    expect(seen()).toHaveLength(6);
  });
});
