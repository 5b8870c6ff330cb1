import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../gateway/config.ts';
import { createHttpApp, type HttpApp } from '../../runtime/http-app.ts';
import { createLog } from '../../runtime/log.ts';

/* An HTTP server whose turn queue is controlled by the test. */

const LONG = JSON.stringify({ text: 'x'.repeat(150_000) });
const SHORT = JSON.stringify({ text: 'short' });

let server: HttpApp;
let url = '';
let handled: number[] = [];
/** Requested turns that have not been granted yet. */
let waiting: (() => void)[] = [];
let hasAsked = Promise.withResolvers<void>();

const asked = async (count: number): Promise<void> => {
  while (waiting.length < count) {
    await hasAsked.promise;
    hasAsked = Promise.withResolvers();
  }
};

beforeEach(async () => {
  [handled, waiting] = [[], []];
  const config = readConfig({ PORT: '0', REQUEST_BUFFER_MAX_MIB: '1' }, []);
  server = createHttpApp({
    log: createLog('silent'),
    shutdownDelayMs: 0,
    shutdownGraceMs: 1_000,
    limits: config.http,
    hosts: config.hosts,
    turns: {
      take: () =>
        new Promise((resolve) => {
          waiting.push(resolve);
          hasAsked.resolve();
        }),
    },
  });
  server.app.post<{ Body: { text: string } }>('/', async ({ body }) => {
    handled.push(body.text.length);
    return {};
  });
  url = await server.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(async () => {
  for (const resume of waiting) resume();
  await server.close();
});

const post = (body: string) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).then(async (response) => ({
    status: response.status,
    body: await response.json(),
    retryAfter: response.headers.get('retry-after'),
  }));

describe('a long body', () => {
  test('is parsed when its turn comes, a short one immediately', async () => {
    const long = post(LONG);
    await asked(1);
    expect((await post(SHORT)).status).toBe(200);
    expect(handled).toEqual([5]);
    waiting[0]?.();
    expect((await long).status).toBe(200);
    expect(handled).toEqual([5, 150_000]);
  });

  test('is rejected if half of the request buffer is waiting; short ones and later long ones are served', async () => {
    const accepted = [post(LONG), post(LONG), post(LONG)];
    await asked(3);
    const refused = await post(LONG);
    expect(refused).toMatchObject({ status: 503, retryAfter: '1' });
    expect(refused.body).toMatchObject({ errors: [{ extensions: { code: 'OVERLOADED' } }] });
    expect((await post(SHORT)).status).toBe(200);
    for (const resume of waiting) resume();
    expect((await Promise.all(accepted)).map(({ status }) => status)).toEqual([200, 200, 200]);
    const later = post(LONG);
    await asked(4);
    waiting[3]?.();
    expect((await later).status).toBe(200);
  });

  test('that exceeds half of the request buffer is read if no other waits', async () => {
    const text = 'x'.repeat(600_000);
    const long = post(JSON.stringify({ text }));
    await asked(1);
    expect((await post(LONG)).status).toBe(503);
    waiting[0]?.();
    expect((await long).status).toBe(200);
    expect(handled).toEqual([text.length]);
  });

  test('of a disconnected client is not parsed', async () => {
    const { port, hostname } = new URL(url);
    const closed = new Promise((resolve) =>
      server.app.server.once('connection', (socket) => socket.once('close', resolve)),
    );
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(
      `POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${LONG.length}\r\n\r\n${LONG}`,
    );
    await asked(1);
    socket.resetAndDestroy();
    await closed;
    waiting[0]?.();
    expect((await post(SHORT)).status).toBe(200);
    expect(handled).toEqual([5]);
  });
});
