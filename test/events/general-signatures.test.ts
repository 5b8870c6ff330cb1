import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPayPalSignature } from '../../events/signatures/paypal.ts';
import type { SignatureScheme } from '../../events/signatures/scheme.ts';
import { shopifyEvent, shopifySignature } from '../../events/signatures/shopify.ts';
import { standardWebhooksSignature } from '../../events/signatures/standard-webhooks.ts';
import { digestOf } from '../../events/webhook.ts';
import { hasTool } from '../helpers/tools.ts';

/* The schemes that several providers use, against a vendor's library, a published vector, or OpenSSL. */

type Headers = Readonly<Record<string, string | undefined>>;

const BODY = Buffer.from('{"id":1,"name":"Bj\u00f6rn \u{1f600}"}');
const NOW = Date.UTC(2026, 10, 30, 12);

const verify = async (
  scheme: SignatureScheme,
  headers: Headers,
  secrets: readonly string[],
  { body = BODY, nowMs = NOW } = {},
) =>
  scheme.verify(
    { method: 'POST', url: '', header: (name) => headers[name], body },
    { secrets, nowMs, toleranceMs: 300_000 },
  );

describe('Standard Webhooks', () => {
  const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const bySdk = (secret = SECRET, nowMs = NOW): Headers => ({
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(nowMs / 1000),
    'webhook-signature': new Webhook(secret).sign('msg_1', new Date(nowMs), BODY.toString()),
  });

  // Of the reference implementations.
  test('the published vector verifies, and is what is signed here', async () => {
    const [id, body, timestamp] = ['msg_p5jXN8AQM9LWM0D4loKWxJek', Buffer.from('{"test": 2432232314}'), 1_614_265_330];
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    expect(
      await verify(standardWebhooksSignature, headers, [SECRET], { body, nowMs: timestamp * 1000 }),
    ).toBeUndefined();
    expect(standardWebhooksSignature.sign(body, { id, secrets: [SECRET], nowMs: timestamp * 1000 })).toEqual(headers);
  });

  test('what its library signs is accepted, and its library accepts what is signed here', async () => {
    expect(await verify(standardWebhooksSignature, bySdk(), [SECRET])).toBeUndefined();
    const headers = standardWebhooksSignature.sign(BODY, {
      id: 'msg_1',
      secrets: [`whsec_${'A'.repeat(32)}`, SECRET],
      nowMs: Date.now(),
    });
    expect(new Webhook(SECRET).verify(BODY, headers)).toEqual(JSON.parse(BODY.toString()));
  });

  test.each([
    ['another id', { 'webhook-id': 'msg_2' }, 'signature'],
    ['another time', { 'webhook-timestamp': String(NOW / 1000 + 1) }, 'signature'],
    ['no id', { 'webhook-id': undefined }, 'missing'],
    ['no signature', { 'webhook-signature': undefined }, 'missing'],
    ['an asymmetric signature', { 'webhook-signature': `v1a,${'A'.repeat(43)}=` }, 'malformed'],
    ['a time that is no number', { 'webhook-timestamp': 'now' }, 'malformed'],
    [
      'an asymmetric signature beside the right one',
      { 'webhook-signature': `v1a,AAAA ${bySdk()['webhook-signature']}` },
      undefined,
    ],
  ])('%s is judged', async (_, changed, problem) => {
    expect(await verify(standardWebhooksSignature, { ...bySdk(), ...changed }, [SECRET])).toBe(problem);
  });

  test('all live secrets are tried; an old delivery and another body are refused', async () => {
    const other = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
    expect(await verify(standardWebhooksSignature, bySdk(other), [SECRET, other])).toBeUndefined();
    expect(await verify(standardWebhooksSignature, bySdk(other), [SECRET])).toBe('signature');
    expect(await verify(standardWebhooksSignature, bySdk(), [SECRET], { nowMs: NOW + 301_000 })).toBe('timestamp');
    expect(await verify(standardWebhooksSignature, bySdk(), [SECRET], { body: Buffer.from('{}') })).toBe('signature');
  });

  test('a secret that is too short or no base64 is refused at the start', () => {
    const { secretProblem } = standardWebhooksSignature;
    expect([SECRET, SECRET.slice(6)].map(secretProblem)).toEqual([undefined, undefined]);
    for (const secret of ['whsec_c2hvcnQ=', 'whsec_not base64 at all, but long enough to be one', ''])
      expect(secretProblem(secret)).toMatch(/^must be whsec_/);
  });
});

describe('Shopify', () => {
  const SECRET = 'shpss_0123456789abcdef';

  test.skipIf(!hasTool('openssl'))('a signature of OpenSSL, as in its documentation, is accepted', async () => {
    const digest = execFileSync('openssl', ['dgst', '-sha256', '-hmac', SECRET, '-binary'], { input: BODY });
    const headers = { 'x-shopify-hmac-sha256': digest.toString('base64') };
    expect(await verify(shopifySignature, headers, ['another secret of it', SECRET])).toBeUndefined();
    expect(shopifySignature.sign(BODY, SECRET)).toEqual(headers);
  });

  test('another body, another secret and a malformed signature are refused', async () => {
    const headers = shopifySignature.sign(BODY, SECRET);
    expect(await verify(shopifySignature, headers, [SECRET], { body: Buffer.from('{}') })).toBe('signature');
    expect(await verify(shopifySignature, headers, ['shpss_other_0123456789'])).toBe('signature');
    expect(await verify(shopifySignature, {}, [SECRET])).toBe('missing');
    expect(await verify(shopifySignature, { 'x-shopify-hmac-sha256': 'YQ==' }, [SECRET])).toBe('malformed');
  });

  test('a recorded delivery is known under any other id', () => {
    const eventOf = (headers: Headers) =>
      shopifyEvent({ header: (name) => headers[name], body: JSON.parse(BODY.toString()) });
    const first = eventOf({ 'x-shopify-topic': 'orders/updated', 'x-shopify-webhook-id': 'a' });
    const forged = eventOf({ 'x-shopify-topic': 'orders/updated', 'x-shopify-webhook-id': 'b' });
    expect(forged.id).not.toBe(first.id);
    expect(digestOf(forged.content)).toBe(digestOf(first.content));
    expect(() => eventOf({ 'x-shopify-topic': 'orders/updated' })).toThrow();
  });
});

describe.skipIf(!hasTool('openssl'))('PayPal', () => {
  const URL = 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270';
  const WEBHOOK = '1JE4291016473214C';
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'paypal-'));
    const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=messageverification', ...files],
      { stdio: 'ignore' },
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const setUp = () => {
    const loaded: string[] = [];
    const scheme = createPayPalSignature({
      hosts: ['paypal.com'],
      load: async (url) => {
        loaded.push(url);
        return readFileSync(join(folder, 'cert.pem'), 'utf8');
      },
    });
    const nowMs = Date.now();
    const key = readFileSync(join(folder, 'key.pem'), 'utf8');
    const headers = scheme.sign(BODY, {
      id: '69cd13f0-d67a-11e5-baa3-778b53f4ae55',
      webhookId: WEBHOOK,
      nowMs,
      key,
      certificateUrl: URL,
    });
    return { scheme, headers, loaded, nowMs };
  };

  test('a signature of OpenSSL over the documented message is accepted, and its certificate is loaded once', async () => {
    const { scheme, headers, loaded, nowMs } = setUp();
    const message = join(folder, 'message');
    writeFileSync(
      message,
      `${headers['paypal-transmission-id']}|${headers['paypal-transmission-time']}|${WEBHOOK}|${crc32(BODY)}`,
    );
    const signature = execFileSync('openssl', ['dgst', '-sha256', '-sign', join(folder, 'key.pem'), message]);
    expect(headers['paypal-transmission-sig']).toBe(signature.toString('base64'));
    for (const secrets of [[WEBHOOK], ['another-webhook', WEBHOOK]])
      expect(await verify(scheme, headers, secrets, { nowMs })).toBeUndefined();
    expect(loaded).toEqual([URL]);
  });

  test('another body, webhook or time is refused', async () => {
    const { scheme, headers, nowMs } = setUp();
    expect(await verify(scheme, headers, [WEBHOOK], { nowMs, body: Buffer.from('{}') })).toBe('signature');
    expect(await verify(scheme, headers, ['another-webhook'], { nowMs })).toBe('signature');
    const later = { ...headers, 'paypal-transmission-time': new Date(nowMs + 1_000).toISOString() };
    expect(await verify(scheme, later, [WEBHOOK], { nowMs })).toBe('signature');
    const oldest = nowMs + 74 * 3_600_000;
    expect(await verify(scheme, headers, [WEBHOOK], { nowMs: oldest })).toBe('timestamp');
  });

  test('certificates are loaded from the provider’s hosts only', async () => {
    const { scheme, headers, loaded, nowMs } = setUp();
    for (const url of [
      'http://api.paypal.com/cert',
      'https://paypal.com.evil.example/cert',
      'https://evilpaypal.com/cert',
      'https://api.paypal.com:8443/cert',
      'https://user@api.paypal.com/cert',
      'https://evil.example/?paypal.com',
      'file:///etc/passwd',
    ]) {
      expect([url, await verify(scheme, { ...headers, 'paypal-cert-url': url }, [WEBHOOK], { nowMs })]).toEqual([
        url,
        'malformed',
      ]);
    }
    expect(loaded).toEqual([]);
  });

  test('a certificate that cannot be loaded, or is not valid at the time, proves nothing', async () => {
    const { scheme, headers, nowMs } = setUp();
    const broken = createPayPalSignature({ hosts: ['paypal.com'], load: async () => 'not a certificate' });
    expect(await verify(broken, headers, [WEBHOOK], { nowMs })).toBe('certificate');
    const future = nowMs + 60 * 86_400_000;
    const late = { ...headers, 'paypal-transmission-time': new Date(future).toISOString() };
    expect(await verify(scheme, late, [WEBHOOK], { nowMs: future })).toBe('certificate');
  });
});
