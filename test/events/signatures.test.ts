import { createHmac } from 'node:crypto';
import { Signature } from '@hubspot/api-client';
import Stripe from 'stripe';
import { describe, expect, test } from 'vitest';
import { hubspotSignature } from '../../events/signatures/hubspot.ts';
import type { SignatureScheme } from '../../events/signatures/scheme.ts';
import { stripeSignature } from '../../events/signatures/stripe.ts';

/* Each scheme against the vendor's own library or published example, in both directions. */

const NOW = Date.UTC(2026, 10, 30, 12);
const SECRET = 'whsec_0123456789abcdef';
const BODY = Buffer.from('{"id":"evt_1","name":"Bj\u00f6rn \u{1f600}"}\n');
const URL = 'https://api.example.test/webhooks/x?a=1';

type Headers = Readonly<Record<string, string>>;

const verify = (
  scheme: SignatureScheme,
  headers: Headers,
  { body = BODY, secrets = [SECRET], nowMs = NOW, url = URL, method = 'POST' } = {},
) => scheme.verify({ method, url, header: (name) => headers[name], body }, { secrets, nowMs, toleranceMs: 300_000 });

/** Changes one character of a header's value, from its end. */
const forged = (headers: Headers, name: string, fromEnd = 3): Headers => {
  const value = headers[name] as string;
  const index = value.length - fromEnd;
  return { ...headers, [name]: `${value.slice(0, index)}${value[index] === 'a' ? 'b' : 'a'}${value.slice(index + 1)}` };
};

describe('Stripe', () => {
  const { webhooks } = new Stripe('sk_test_1');
  const generate = (secret: string, nowMs = NOW) => ({
    'stripe-signature': webhooks.generateTestHeaderString({
      payload: BODY.toString(),
      secret,
      timestamp: Math.floor(nowMs / 1000),
    }),
  });
  const isAcceptedByStripe = ({ 'stripe-signature': header = '' }: Headers, nowMs = NOW): boolean => {
    try {
      webhooks.constructEvent(BODY, header, SECRET, 300, undefined, nowMs);
      return true;
    } catch {
      return false;
    }
  };

  test('what its SDK signs is accepted, and what is signed here its SDK accepts', () => {
    expect(verify(stripeSignature, generate(SECRET))).toBeUndefined();
    const headers = stripeSignature.sign(BODY, ['another secret', SECRET], NOW);
    expect(isAcceptedByStripe(headers)).toBe(true);
    expect(verify(stripeSignature, headers)).toBeUndefined();
  });

  test('while secrets are replaced, both are accepted', () => {
    const secrets = ['whsec_new_new_new_new', SECRET];
    for (const secret of secrets) expect(verify(stripeSignature, generate(secret), { secrets })).toBeUndefined();
    expect(verify(stripeSignature, generate('whsec_other'), { secrets })).toBe('signature');
    expect(verify(stripeSignature, generate(''), { secrets: [] })).toBe('signature');
  });

  const header = generate(SECRET)['stripe-signature'];
  const [time = '', signature = ''] = header.split(',');
  const legacy = createHmac('sha256', SECRET)
    .update(`${time.slice(2)}.${BODY}`)
    .digest('hex');
  test.each([
    ['nothing', '', 'missing'],
    ['no time', signature, 'malformed'],
    ['no signature', time, 'malformed'],
    ['a signature of another scheme', `${time},v0=${legacy}`, 'malformed'],
    ['a time that is no number', `t=now,${signature}`, 'malformed'],
    ['another time', `t=${Number(time.slice(2)) + 1},${signature}`, 'signature'],
    ['a wrong signature', forged({ h: header }, 'h')['h'] as string, 'signature'],
    ['a short signature', header.slice(0, -2), 'malformed'],
    ['a wrong signature before the right one', `${time},v1=${'0'.repeat(64)},${signature}`, undefined],
    ['text', 'hello', 'malformed'],
  ])('%s is judged as by its SDK', (_, value, problem) => {
    expect(verify(stripeSignature, { 'stripe-signature': value })).toBe(problem);
    expect(isAcceptedByStripe({ 'stripe-signature': value })).toBe(problem === undefined);
  });

  test('up to five minutes old is accepted, as by its SDK; and a clock that is ahead by so much', () => {
    const headers = generate(SECRET);
    for (const [ageS, isAccepted] of [
      [300, true],
      [301, false],
    ] as const) {
      const nowMs = NOW + ageS * 1000;
      expect(verify(stripeSignature, headers, { nowMs })).toBe(isAccepted ? undefined : 'timestamp');
      expect(isAcceptedByStripe(headers, nowMs)).toBe(isAccepted);
      expect(verify(stripeSignature, headers, { nowMs: NOW - ageS * 1000 })).toBe(isAccepted ? undefined : 'timestamp');
    }
  });

  test('another body is refused', () => {
    expect(verify(stripeSignature, generate(SECRET), { body: Buffer.from('{"id":"evt_2"}') })).toBe('signature');
  });
});

describe('HubSpot v3', () => {
  const bySdk = (url = URL, nowMs = NOW): Headers => ({
    'x-hubspot-request-timestamp': String(nowMs),
    'x-hubspot-signature-v3': Signature.getSignature('POST', 'v3', {
      signature: '',
      clientSecret: SECRET,
      requestBody: BODY.toString(),
      url,
      timestamp: nowMs,
    }),
  });

  test('what its client signs is accepted, and the same is signed here', () => {
    expect(verify(hubspotSignature, bySdk())).toBeUndefined();
    expect(hubspotSignature.sign({ method: 'POST', url: URL, body: BODY }, SECRET, NOW)).toEqual(bySdk());
  });

  test('the URL, the method, the body and the time are signed', () => {
    expect(verify(hubspotSignature, bySdk(), { url: URL.replace('api.', 'evil.') })).toBe('signature');
    expect(verify(hubspotSignature, bySdk(), { url: URL.replace('a=1', 'a=2') })).toBe('signature');
    expect(verify(hubspotSignature, bySdk(), { method: 'PUT' })).toBe('signature');
    expect(verify(hubspotSignature, bySdk(), { body: Buffer.from('[]') })).toBe('signature');
    const later = { ...bySdk(), 'x-hubspot-request-timestamp': String(NOW + 1) };
    expect(verify(hubspotSignature, later)).toBe('signature');
  });

  test('the URL is signed with some characters decoded, as HubSpot documents', () => {
    const called = 'https://api.example.test/webhooks/hubspot?to=a%40b.test%2Fx&q=%20%C3%A9';
    const signed = 'https://api.example.test/webhooks/hubspot?to=a@b.test/x&q=%20%C3%A9';
    expect(verify(hubspotSignature, bySdk(signed), { url: called })).toBeUndefined();
  });

  test.each([
    ['no signature', { 'x-hubspot-signature-v3': undefined }, 'missing'],
    ['no time', { 'x-hubspot-request-timestamp': undefined }, 'missing'],
    ['a time that is no number', { 'x-hubspot-request-timestamp': 'now' }, 'malformed'],
    ['a short signature', { 'x-hubspot-signature-v3': 'YQ==' }, 'malformed'],
    ['a wrong signature', forged(bySdk(), 'x-hubspot-signature-v3'), 'signature'],
  ])('%s is refused', (_, changed, problem) => {
    expect(verify(hubspotSignature, { ...bySdk(), ...changed } as Headers)).toBe(problem);
  });

  test('up to five minutes old is accepted', () => {
    expect(verify(hubspotSignature, bySdk(), { nowMs: NOW + 300_000 })).toBeUndefined();
    expect(verify(hubspotSignature, bySdk(), { nowMs: NOW + 300_001 })).toBe('timestamp');
  });
});
