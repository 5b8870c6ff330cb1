import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { startStack } from '../helpers/stack.ts';
import { postHubSpot, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * A subscriber that does not read, beside one that does. Messages are large, so that the buffers of the system are soon full.
 */

const LENGTH = 100_000;
const EVENTS = 400;

test('a slow client misses the oldest waiting messages, learns how many, and holds up nobody', async () => {
  const stack = await startStack({ env: { ...WEBHOOKS, CACHE_MAX_MIB: '16', HUBSPOT_CACHE: 'contacts=3600' } });
  onTestFinished(stack.close);
  const response = await fetch(`${stack.hubspot.url}/crm/objects/2026-09/contacts/101`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ properties: { phone: 'x'.repeat(LENGTH) } }),
  });
  expect(response.status).toBe(200);
  const query = 'subscription { customerChanged { phone } }';
  const quick = await openEventStream(stack.url, { query });
  const { port, hostname } = new URL(stack.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  const body = JSON.stringify({ query });
  socket.write(
    `POST /graphql HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`,
  );
  let text = '';
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n\n')) resolve();
    });
  });
  socket.pause();
  for (let start = 0; start < EVENTS; start += 100) {
    await postHubSpot(
      stack.url,
      Array.from({ length: 100 }, (_one, index) => ({
        eventId: start + index,
        subscriptionType: 'contact.propertyChange',
        objectId: 101,
        propertyName: 'phone',
        propertyValue: String(start + index),
        occurredAt: 1_796_000_000_000 + start + index,
      })),
    );
  }
  await expect.poll(() => quick.events.length).toBe(EVENTS);
  socket.resume();
  const idsIn = (all: string): number[] =>
    [...all.matchAll(/^id: \w+-(\d+)-0$/gm)].map(([, sequence]) => Number(sequence));
  // Chunks of HTTP may begin within a line.
  const received = () => text.replaceAll(/\r\n[0-9a-f]+\r\n/g, '');
  await expect.poll(() => idsIn(received()).at(-1)).toBe(EVENTS);
  const ids = idsIn(received());
  const missed = [...received().matchAll(/"missed":(\d+)/g)].map(([, count]) => Number(count));
  expect(missed.length).toBeGreaterThan(0);
  expect(ids.length + missed.reduce((sum, count) => sum + count, 0)).toBe(EVENTS);
  expect(ids).toEqual([...new Set(ids)].toSorted((one, other) => one - other));
  // The gap is where the message says it is.
  expect(ids.filter((id, index) => index > 0 && id !== (ids[index - 1] ?? 0) + 1)).toHaveLength(missed.length);
  quick.close();
});
