import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { SCOPES } from '../helpers/scopes.ts';
import { createAsk, environmentOf, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';

/* The request log of a real process, one JSON object a line. */

const PRODUCT = 'query Stock { product(sku: "OABR-S") { stock { quantity } } }';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.close());
beforeEach(() => stack.reset());

type Line = Readonly<Record<string, unknown>>;

/** Starts a gateway in another process. `requests` returns the lines of its request log. */
const start = async (env: Record<string, string>) => {
  const gateway: Spawned = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...environmentOf(stack), ...env });
  const answersAt = () => /answers at (\S+)/.exec(gateway.output())?.[1];
  await vi.waitFor(() => expect(answersAt(), gateway.output()).toBeDefined(), 120_000);
  const ask = createAsk(answersAt() ?? '');
  /** Stops the gateway, which has then written every line. */
  const requests = async (): Promise<Line[]> => {
    await gateway.stop();
    const lines = gateway
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{"level"'));
    return lines
      .map((line): Line => JSON.parse(line))
      .filter(({ msg }) => /^(Request|Refused request)\.$/.test(`${msg}`));
  };
  return { ask, requests, url: answersAt() ?? '', output: gateway.output };
};

describe('REQUEST_LOG=all', () => {
  test('logs who sent what, its outcome and its calls, with the trace', async () => {
    const { ask, requests, url, output } = await start({ ...TOKEN_ENV, REQUEST_LOG: 'all', LOG_LEVEL: 'warn' });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    await ask(PRODUCT, undefined, {
      headers: {
        ...headersOf({ subject: 'warehouse', scopes: SCOPES }),
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      },
    });
    stack.openmage.fail({ status: 500 });
    const failedId = traceId.replace('0a', '1a');
    await ask(PRODUCT, undefined, {
      headers: {
        ...headersOf({ subject: 'warehouse', scopes: SCOPES }),
        traceparent: `00-${failedId}-b7ad6b7169203331-00`,
      },
    });
    await ask('{ nothing }');
    await fetch(url, { method: 'POST', headers: { 'content-type': 'text/csv' }, body: 'x' });
    const lines = await requests();
    const warning = output()
      .split('\n')
      .find((line) => line.includes('"code":"UPSTREAM_UNAVAILABLE"'));
    expect(JSON.parse(warning ?? '')).toMatchObject({ level: 40, trace: failedId });
    expect(lines).toMatchObject([
      {
        level: 30,
        client: 'jwt:warehouse',
        operation: 'Stock',
        type: 'query',
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
        outcome: 'ok',
        ms: expect.any(Number),
        calls: { inventory: expect.any(Number) },
        trace: traceId,
      },
      { client: 'jwt:warehouse', outcome: 'partial', codes: ['UPSTREAM_UNAVAILABLE'] },
      { client: '127.0.0.1', outcome: 'error', codes: ['GRAPHQL_VALIDATION_FAILED'], calls: {} },
      { client: '127.0.0.1', code: 'BAD_REQUEST' },
    ]);
  });
});

test('a request that ran past the grace period is logged when it is cut off', { tags: ['long'] }, async () => {
  const { ask, requests } = await start({ REQUEST_LOG: 'all', SHUTDOWN_GRACE_MS: '200', CACHE_MAX_MIB: '0' });
  // Planned, and the shop's session begun.
  await ask(PRODUCT);
  stack.openmage.fail({ hang: true });
  const before = stack.openmage.calls.length;
  const asked = ask(PRODUCT).catch(() => 'cut off');
  await expect.poll(() => stack.openmage.calls.length, { timeout: 60_000 }).toBeGreaterThan(before);
  expect(await requests()).toMatchObject([{ outcome: 'ok' }, { operation: 'Stock', outcome: 'partial' }]);
  expect(await asked).toBe('cut off');
});

/** Asserts which requests a gateway logs: a list, a failed one, the list again. */
const expectLogged = async (mode: string, env: Record<string, string>, expected: readonly unknown[]): Promise<void> => {
  const production = { AUTH: 'none', SANDBOX: 'on', ...env };
  const { ask, requests } = await start({
    REQUEST_LOG: mode,
    // Nothing is slow by chance.
    SLOW_REQUEST_MS: '600000',
    ...(env['NODE_ENV'] ? production : env),
  });
  const list = 'query List { customers(first: 20) { edges { node { firstName company { name } } } } }';
  await ask(list);
  stack.openmage.fail({ status: 500 });
  await ask(PRODUCT);
  await ask(list);
  const lines = await requests();
  expect(lines.map(({ codes }) => (Array.isArray(codes) ? codes[0] : codes))).toEqual(expected);
};

test('given REQUEST_LOG=errors, then it logs these', { tags: ['long'] }, () =>
  expectLogged('errors', {}, ['UPSTREAM_UNAVAILABLE']),
);

test.each<[string, Record<string, string>, unknown[]]>([
  ['0.000001', {}, ['UPSTREAM_UNAVAILABLE']],
  ['errors', { SLOW_REQUEST_MS: '1' }, [undefined, 'UPSTREAM_UNAVAILABLE', undefined]],
  ['off', {}, []],
  ['', {}, []],
  ['', { NODE_ENV: 'production' }, [undefined, 'UPSTREAM_UNAVAILABLE', undefined]],
  ['', { NODE_ENV: 'production', LOG_LEVEL: 'warn' }, []],
])('given REQUEST_LOG=%s and %o, then it logs these', { tags: ['long'] }, expectLogged);
