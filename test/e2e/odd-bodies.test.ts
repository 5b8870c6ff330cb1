import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { STRIPE_SANDBOX_KEY } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { createAsk } from '../helpers/stack.ts';

/* No response body from Stripe may crash the gateway, which runs in a separate process. */

const deep = (open: string, close: string) => `${open.repeat(200_000)}${close.repeat(200_000)}`;

const BODIES: readonly string[] = [
  ...[
    '',
    ' ',
    '1',
    '-0',
    '1e999',
    '"x"',
    'true',
    'false',
    'null',
    '[]',
    '[1]',
    '{}',
    '{',
    '}',
    '[',
    '\u0000',
    '\ufeff{}',
  ],
  ...['<html>', 'undefined', 'NaN', '{"id"', '{"id":"pi_1"', '{"error":null}', '{"error":1}', '{"error":"x"}'],
  ...['{"error":true}', '{"error":[]}', '{"error":{}}', '{"error":{"type":1}}', '{"error":{"type":"__proto__"}}'],
  ...['{"error":{"type":"card_error","code":{},"decline_code":[],"param":7}}', '{"error":{"detail":{"code":"x"}}}'],
  ...['{"__proto__":null}', '{"__proto__":{"id":"pi_1"}}', '{"constructor":1,"toString":1,"hasOwnProperty":1}'],
  ...[
    '{"lastResponse":1}',
    '{"then":1}',
    '{"id":{"then":{}}}',
    '{"data":1,"has_more":1}',
    '{"data":[null],"has_more":true}',
  ],
  ...['{"data":[{"id":"x"}],"has_more":true}', '{"object":"list","data":{},"has_more":false}', '{"toJSON":1}'],
  ...['{"id":"pi_1","created":1e308,"status":"succeeded"}', '{"id":"pi_1","latest_charge":{"refunds":{"data":[1]}}}'],
  deep('[', ']'),
  deep('{"a":', '}').replace('}', '1}'),
  `{"error":${deep('[', ']')}}`,
  `{"id":${deep('[', ']')}}`,
  `{"${'k'.repeat(1_000_000)}":1}`,
  `{"id":"${'x'.repeat(1_000_000)}"}`,
  `{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join(',')}}`,
];

// Statuses that cause a retry, a pause or an open circuit come last: they would delay the others.
const STATUSES = [404, 201, 204, 299, 302, 304, 400, 402, 409, 500, 429];

let answer: { status: number; body: string };
let server: Awaited<ReturnType<typeof startHttpServer>>;
let gateway: Spawned;
let url: string;

beforeAll(async () => {
  answer = { status: 200, body: '{}' };
  server = await startHttpServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'stripe-notice': 'x',
      'request-id': '\u00ff',
    });
    response.end(answer.body);
  });
  gateway = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    LOG_LEVEL: 'error',
    CACHE_MAX_MIB: '0',
    STRIPE_BASE_URL: server.url,
    STRIPE_API_KEY: STRIPE_SANDBOX_KEY,
    STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
  });
  await vi.waitFor(() => expect(gateway.output()).toMatch(/answers at (\S+)/), 120_000);
  url = /answers at (\S+)/.exec(gateway.output())?.[1] ?? '';
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

const READ = '{ payment(id: "pi_1") { id customer { lastName } } payments { edges { node { id } } } }';
const WRITE = `mutation { refundPayment(input: { paymentId: "pi_1", idempotencyKey: "k" }) { refund { id } } }`;

/** Asserts that with this status each invalid body is an error, and that the gateway keeps running. */
const expectErrors = async (status: number): Promise<void> => {
  const ask = createAsk(url);
  for (const body of BODIES) {
    answer = { status, body };
    const [read, write] = await Promise.all([ask(READ), ask(WRITE)]);
    const codes = [...(read.errors ?? []), ...(write.errors ?? [])].map(({ extensions }) => extensions?.['code']);
    expect(codes.length, body.slice(0, 100)).toBeGreaterThan(0);
    expect(codes, body.slice(0, 100)).not.toContain('INTERNAL_SERVER_ERROR');
    if (status < 300) {
      expect(write.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['UPSTREAM_OUTCOME_UNKNOWN']);
    }
    expect(gateway.process.exitCode).toBeNull();
  }
  expect(gateway.output()).not.toMatch(/unhandled|uncaught|TypeError/i);
};

test('given the status 200 with invalid bodies, then each is an error', { tags: ['long'] }, () => expectErrors(200));

test.each(STATUSES)('given the status %i with invalid bodies, then each is an error', { tags: ['long'] }, expectErrors);
