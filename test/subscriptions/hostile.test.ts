import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connectRaw } from '../helpers/raw-socket.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { connectWebhooks, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * Clients that break the rules of their transport: they harm nobody, and leave nothing behind.
 */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { ...WEBHOOKS, SUBSCRIPTION_HEARTBEAT_S: '1' } });
  connectWebhooks(stack, stack.url);
});
afterAll(() => stack?.close());

const isServed = async (): Promise<boolean> => (await fetch(`${stack.url}/health/live`)).ok;

/** A WebSocket whose session has begun, and the messages that it has received. */
const openSocket = async (headers: Record<string, string> = {}) => {
  const socket = new WebSocket(`${stack.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
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
    const message = JSON.stringify({ type: 'ping', payload: { payload: 'x'.repeat(500_000) } });
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
