import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../events/inbox/sqlite.ts';
import { stripeSignature } from '../../events/signatures/stripe.ts';
import { auditFile, recordsOf } from '../helpers/audit.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import {
  HUBSPOT_SECRET,
  PUBLIC_URL,
  post,
  postHubSpot,
  postStripe,
  STRIPE_SECRET,
  stripeEvent,
  WEBHOOKS,
} from '../helpers/webhooks.ts';

/* Deliveries to a gateway: who is believed, and what is kept. */

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.close();
  stack = undefined;
});

const start = async (env: Record<string, string> = {}): Promise<Stack> => {
  stack = await startStack({ env: { ...WEBHOOKS, ...env } });
  return stack;
};

const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const codeOf = ({ body }: { readonly body: unknown }): unknown =>
  (body as { errors?: { extensions: { code: string } }[] }).errors?.[0]?.extensions.code;

describe('a delivery', () => {
  test('given the right signature, then its event is received once, however often it is delivered', async () => {
    const { url } = await start();
    const event = stripeEvent('evt_1');
    expect(await postStripe(url, event)).toMatchObject({ status: 200, body: { received: 1, duplicates: 0 } });
    expect(await postStripe(url, event)).toMatchObject({ status: 200, body: { received: 1, duplicates: 1 } });
    // Stripe counts deliveries in the event.
    const again = { ...event, pending_webhooks: 3 };
    expect(await postStripe(url, again)).toMatchObject({ body: { received: 1, duplicates: 1 } });
  });

  test('given one change under two ids, then it is received once; given one id for two changes at HubSpot, twice', async () => {
    const { url } = await start();
    const event = stripeEvent('evt_1');
    await postStripe(url, event);
    expect(await postStripe(url, { ...event, id: 'evt_2' })).toMatchObject({ body: { duplicates: 1 } });
    const change = {
      eventId: 1,
      subscriptionType: 'contact.propertyChange',
      objectId: 101,
      occurredAt: 1_796_000_000_000,
    };
    const other = { ...change, objectId: 102 };
    expect(await postHubSpot(url, [change, other])).toMatchObject({ body: { received: 2, duplicates: 0 } });
    const repeated = [change, other].map((one) => ({ ...one, attemptNumber: 1 }));
    expect(await postHubSpot(url, repeated)).toMatchObject({ body: { received: 2, duplicates: 2 } });
  });

  test('given a wrong signature, then it is refused with 401 and an audit line, and nothing of it is kept', async () => {
    const file = auditFile();
    const { url } = await start({ AUDIT_LOG: file });
    const body = JSON.stringify(stripeEvent('evt_1'));
    const signed = stripeSignature.sign(Buffer.from(body), [STRIPE_SECRET], Date.now());
    const old = stripeSignature.sign(Buffer.from(body), [STRIPE_SECRET], Date.now() - 301_000);
    const path = `${url}/webhooks/stripe`;
    const refused = [
      await postStripe(url, stripeEvent('evt_1'), 'whsec_of_somebody_else'),
      await post(path, body, {}),
      await post(path, `${body} `, signed),
      await post(path, body, old),
      await post(path, body, { 'stripe-signature': 'x' }),
      await post(`${url}/webhooks/hubspot`, '[]', signed),
    ];
    expect(refused.map((one) => [one.status, codeOf(one)])).toEqual(refused.map(() => [401, 'WEBHOOK_REFUSED']));
    expect(await post(path, body, signed)).toMatchObject({ status: 200, body: { duplicates: 0 } });
    await stack?.close();
    stack = undefined;
    expect(
      recordsOf(file, 'webhook.refused').map(({ provider, reason, client }) => [provider, reason, client]),
    ).toEqual([
      ['stripe', 'signature', '127.0.0.1'],
      ['stripe', 'missing', '127.0.0.1'],
      ['stripe', 'signature', '127.0.0.1'],
      ['stripe', 'timestamp', '127.0.0.1'],
      ['stripe', 'malformed', '127.0.0.1'],
      ['hubspot', 'missing', '127.0.0.1'],
    ]);
  });

  test('given a body in any form and of any type, then its bytes are verified', async () => {
    const { url } = await start();
    const body = `\n {  "id": "evt_\\u0031", ${JSON.stringify(stripeEvent('x')).slice(1).replace('"id":"x",', '')}\r\n`;
    const headers = stripeSignature.sign(Buffer.from(body), [STRIPE_SECRET], Date.now());
    const types = ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1'];
    for (const type of types) {
      const response = await post(`${url}/webhooks/stripe`, body, { ...headers, 'content-type': type });
      expect([type, response.status]).toEqual([type, 200]);
    }
    expect(await postStripe(url, stripeEvent('evt_1'))).toMatchObject({ body: { duplicates: 1 } });
  });

  test('given a malformed event beside others of a delivery, then the others are received', async () => {
    const { url } = await start();
    const change = { eventId: 1, subscriptionType: 'contact.creation', objectId: 101, occurredAt: 1_796_000_000_000 };
    expect(await postHubSpot(url, [{ eventId: null }, change])).toMatchObject({ body: { received: 2, duplicates: 0 } });
    expect(await postHubSpot(url, [change])).toMatchObject({ body: { received: 1, duplicates: 1 } });
  });

  test('given a body that is nested too deeply to be read, then it is kept like other unreadable ones', async () => {
    const { url } = await start();
    const nested = '['.repeat(5_000) + ']'.repeat(5_000);
    const bodies = [
      nested,
      JSON.stringify({ ...stripeEvent('evt_1'), more: 0 }).replace('"more":0', `"data":${nested}`),
    ];
    for (const body of bodies) {
      const headers = stripeSignature.sign(Buffer.from(body), [STRIPE_SECRET], Date.now());
      for (const duplicates of [0, 1]) {
        expect(await post(`${url}/webhooks/stripe`, body, headers)).toMatchObject({
          status: 200,
          body: { duplicates },
        });
      }
    }
  });

  test('given spoofed forwarding headers, then the configured public URL is what HubSpot has to have signed', async () => {
    const { url } = await start();
    const event = { eventId: 1, subscriptionType: 'contact.creation', objectId: 1, occurredAt: 1 };
    const body = JSON.stringify([event]);
    const { hubspotSignature } = await import('../../events/signatures/hubspot.ts');
    const sign = (signedUrl: string) =>
      hubspotSignature.sign({ method: 'POST', url: signedUrl, body: Buffer.from(body) }, HUBSPOT_SECRET, Date.now());
    const evil = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' };
    const path = `${url}/webhooks/hubspot`;
    for (const signedUrl of [path, 'https://evil.example/webhooks/hubspot']) {
      expect(await post(path, body, { ...sign(signedUrl), ...evil })).toMatchObject({ status: 401 });
    }
    const right = sign(`${PUBLIC_URL}/webhooks/hubspot?from=1`);
    expect(await post(path, body, { ...right, ...evil })).toMatchObject({ status: 401 });
    expect(await post(`${path}?from=1`, body, { ...right, ...evil })).toMatchObject({ status: 200 });
  });

  test('given too many bytes, or another method, then it is refused before anything is verified', async () => {
    const { url } = await start();
    const large = await post(`${url}/webhooks/stripe`, 'x'.repeat(1024 * 1024 + 1), {});
    expect([large.status, codeOf(large)]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect((await fetch(`${url}/webhooks/stripe`)).status).toBe(405);
    expect((await post(`${url}/webhooks/other`, '{}', {})).status).toBe(404);
  });

  test('given events that cannot be read or mapped, then they are accepted, parked, listed, and block no others', async () => {
    const file = join(temporaryFolder(), 'events.sqlite');
    const { url } = await start({ EVENTS_FILE: file });
    const strange = { ...stripeEvent('evt_1'), data: { object: { object: 'customer', email: 5 } } };
    expect(await postStripe(url, strange)).toMatchObject({ status: 200 });
    const body = '{"id": not JSON';
    const headers = stripeSignature.sign(Buffer.from(body), [STRIPE_SECRET], Date.now());
    expect(await post(`${url}/webhooks/stripe`, body, headers)).toMatchObject({ status: 200 });
    await postStripe(url, stripeEvent('evt_2'));
    const store = openSqliteStore(file);
    onTestFinished(() => store.close());
    const listed = () => store.list({ states: ['parked', 'applied'], limit: 10 });
    await expect.poll(async () => (await listed()).length).toBe(3);
    expect((await listed()).map(({ state, type, problem }) => [state, type, problem])).toEqual([
      ['applied', 'customer.updated', null],
      ['parked', '(unreadable)', expect.stringMatching(/./)],
      ['parked', 'customer.updated', 'Unexpected id, email.'],
    ]);
    // The gateway tries again what is replayed by another process.
    expect(await store.replay('all')).toBe(2);
    await expect.poll(async () => (await store.state()).parked).toBe(2);
  });

  test('given a full inbox, then the provider is told to repeat the delivery', async () => {
    const { url } = await start({ EVENTS_MAX_MIB: '1' });
    const padding = 'x'.repeat(300_000);
    const strange = (id: string) => ({ ...stripeEvent(id), data: { object: { object: 'customer', id: 1, padding } } });
    await expect
      .poll(async () => (await postStripe(url, strange(`evt_${Math.random()}`))).status, { interval: 20 })
      .toBe(503);
    const refused = await postStripe(url, strange('evt_last'));
    expect([codeOf(refused), refused.headers.get('retry-after')]).toEqual(['INBOX_FULL', '30']);
  });
});

describe('configuration', () => {
  const refusalOf = (env: Record<string, string>): Promise<string> =>
    start(env).then(
      () => 'started',
      (error: Error) => error.message,
    );

  test.each([
    [
      'a short secret',
      { STRIPE_WEBHOOK_SECRET: 'whsec_long_enough_1,short' },
      /^STRIPE_WEBHOOK_SECRET: must have at least 16/,
    ],
    ['no public URL', { PUBLIC_URL: '' }, /^HUBSPOT_WEBHOOK_SECRET: needs PUBLIC_URL/],
    [
      'events that are forgotten before they are repeated',
      { EVENTS_RETENTION_HOURS: '71' },
      /^EVENTS_RETENTION_HOURS: must be at least 72/,
    ],
    [
      'a remote subgraph',
      { PAYMENTS_URL: 'http://127.0.0.1:1/payments' },
      /^STRIPE_WEBHOOK_SECRET: needs EVENTS_URL with PAYMENTS_URL/,
    ],
    [
      'a folder that cannot be written',
      { EVENTS_FILE: '/proc/events.sqlite' },
      /^EVENTS_FILE: \/proc\/events.sqlite cannot be used/,
    ],
    ['a file of something else', { EVENTS_FILE: import.meta.filename }, /^EVENTS_FILE: .* file is not a database/],
  ])('given %s, then the start is refused with a clear error', async (_, env, message) => {
    expect(await refusalOf(env)).toMatch(message);
  });

  test('given a secret in a file, then its new content is used within a second, and both secrets of a list', async () => {
    const file = join(temporaryFolder(), 'secret');
    writeFileSync(file, STRIPE_SECRET);
    const { url } = await start({ STRIPE_WEBHOOK_SECRET: '', STRIPE_WEBHOOK_SECRET_FILE: file });
    const next = 'whsec_next_0123456789abcdef';
    expect((await postStripe(url, stripeEvent('evt_1'), next)).status).toBe(401);
    writeFileSync(file, `${next}, ${STRIPE_SECRET}\n`);
    await expect.poll(async () => (await postStripe(url, stripeEvent('evt_1'), next)).status).toBe(200);
    expect((await postStripe(url, stripeEvent('evt_2'), STRIPE_SECRET)).status).toBe(200);
  });

  test('given a folder that does not exist yet, then it is created', async () => {
    const file = join(temporaryFolder(), 'a/b/events.sqlite');
    await start({ EVENTS_FILE: file });
    expect(existsSync(file)).toBe(true);
  });
});
