import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type EventStream, openEventStream } from '../helpers/event-stream.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { connectWebhooks, postHubSpot, WEBHOOKS } from '../helpers/webhooks.ts';

/* What has caused a message: the provider's event, and what it invalidated. */

const QUERY = 'subscription { customerChanged(id: "101") { id } }';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: WEBHOOKS });
  connectWebhooks(stack, stack.url);
});
afterAll(() => stack?.close());

let eventNumber = 0;
const change = (url: string): Promise<unknown> => {
  eventNumber += 1;
  return postHubSpot(url, [
    {
      eventId: eventNumber,
      subscriptionType: 'contact.propertyChange',
      objectId: 101,
      propertyName: 'phone',
      propertyValue: '+46 70 000 00 00',
      occurredAt: 1_796_000_000_000 + eventNumber,
    },
  ]);
};

const subscribe = async (url: string, headers: Readonly<Record<string, string>>): Promise<EventStream> => {
  const stream = await openEventStream(url, { query: QUERY }, headers);
  onTestFinished(stream.close);
  return stream;
};

const firstOf = async (stream: EventStream) => {
  await expect.poll(() => stream.results().length).toBe(1);
  return stream.results()[0].extensions.tributary;
};

test('a subscriber that asks for a report learns what has caused each message; another one in its group does not', async () => {
  const reported = await subscribe(stack.url, { 'x-tributary-report': '1' });
  const plain = await subscribe(stack.url, {});
  await change(stack.url);
  const { eventId, cause } = await firstOf(reported);
  expect(cause).toEqual({
    provider: 'hubspot',
    type: 'contact.propertyChange',
    object: 'contacts 101',
    receivedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    invalidatedAt: expect.stringMatching(/Z$/),
    sentAt: expect.stringMatching(/Z$/),
    invalidated: expect.arrayContaining([{ read: 'contact', scopes: 1 }]),
  });
  expect([cause.receivedAt, cause.invalidatedAt, cause.sentAt].toSorted()).toEqual([
    cause.receivedAt,
    cause.invalidatedAt,
    cause.sentAt,
  ]);
  // It says what was read anew, and no values.
  expect(JSON.stringify(cause)).not.toContain('+46');
  expect(await firstOf(plain)).toEqual({ eventId });
});

test('over multipart, a message has its cause, too', async () => {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const response = await fetch(`${stack.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'multipart/mixed;subscriptionSpec=1.0',
      'x-tributary-report': 'trace',
    },
    body: JSON.stringify({ query: QUERY }),
    signal: controller.signal,
  });
  await change(stack.url);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.includes('"payload"')) break;
  }
  expect(text).toContain('"cause":{"provider":"hubspot"');
});

test('where reports are not allowed, no message has its cause', async () => {
  const gateway = await stack.startAnother({ CALL_REPORT: 'off' });
  onTestFinished(gateway.close);
  const stream = await subscribe(gateway.url, { 'x-tributary-report': '1' });
  await change(gateway.url);
  expect(await firstOf(stream)).toEqual({ eventId: expect.any(String) });
});
