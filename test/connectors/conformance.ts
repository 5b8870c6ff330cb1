import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SandboxCall } from '../../sandbox/server.ts';
import { resetClock, skipAhead } from '../kit/clock.ts';
import { type Answer, codesOf, type Stack, startStack } from '../kit/stack.ts';

/** A connector as its conformance is tested: what a client asks so that the provider is called, and how that shows. */
export type Subject = {
  readonly provider: 'stripe' | 'hubspot' | 'openmage';
  /** The subgraph, as errors and reports call it. */
  readonly service: string;
  /** A field that asks the provider for one key. */
  readonly read: (key: string) => string;
  /** The operation that this calls. */
  readonly readOperation: string;
  /** Keys that the provider has, at least 60. */
  readonly keys: readonly string[];
  readonly absentKey: string;
  /** Keys that one call may carry. */
  readonly maxBatch: number;
  /** A mutation and the key that it changes. `round` makes it another one; below zero, the same with other input. */
  readonly write: (round: number) => { readonly mutation: string; readonly key: string };
  readonly writeOperation: string;
  /** Whether the provider takes an idempotency key. */
  readonly isKeyed: boolean;
  /** The variable for its quota, and its value for N calls in S seconds. */
  readonly quota: { readonly variable: string; readonly value: string };
  /** The variable for how long things are kept, and the type that `read` asks for. */
  readonly cache: { readonly variable: string; readonly type: string };
  readonly timeoutVariable: string;
  readonly concurrencyVariable: string;
};

const DAY_MS = 86_400_000;

/** The most calls in any stretch of this many milliseconds. */
export const busiest = (calls: readonly Pick<SandboxCall, 'at'>[], windowMs: number): number =>
  Math.max(0, ...calls.map(({ at }) => calls.filter((other) => other.at >= at && other.at < at + windowMs).length));

/** What every connector has to do, whatever its provider. */
export const conformance = (of: Subject): void => {
  let stack: Stack;

  const start = async (env: Record<string, string>) => {
    stack = await startStack({ openmage: { sessionLifetimeS: 1e9 }, env });
    // The shop's WSDL is read and a session opened.
    await stack.ask(`{ ${of.read(of.absentKey)} }`);
  };
  const withStack = (env: Record<string, string> = {}) => {
    beforeAll(async () => {
      skipAhead(0);
      await start(env);
    });
    afterAll(async () => {
      await stack.close();
      resetClock();
    });
    beforeEach(async () => {
      stack.reset();
      // Nothing that was kept, left alone or held back in one test is so in the next.
      skipAhead(2 * DAY_MS);
      await ask([of.keys.at(-1) ?? '']);
      stack.reset();
      skipAhead(2 * DAY_MS);
    });
  };

  const ask = (keys: readonly string[], init: Parameters<Stack['ask']>[2] = {}) =>
    stack.ask<Record<string, unknown>>(
      `{ ${keys.map((key, index) => `a${index}: ${of.read(key)}`).join(' ')} }`,
      {},
      init,
    );
  const write = (round: number) => stack.ask(`mutation { ${of.write(round).mutation} }`);
  const sandbox = () => stack[of.provider];
  const callsOf = (operation: string) => sandbox().calls.filter((call) => call.operation === operation);
  const reads = () => callsOf(of.readOperation);
  const fail = (fault: Parameters<Stack['stripe']['fail']>[0]) => sandbox().fail({ on: of.readOperation, ...fault });
  const codeOf = (answer: Answer<unknown>) => codesOf(answer.errors)?.[0]?.[0];
  const reportOf = ({ text }: Answer<unknown>) =>
    (JSON.parse(text) as { extensions?: { tributary?: { stale?: object[]; calls?: Record<string, unknown>[] } } })
      .extensions?.tributary;
  const [one = '', two = '', three = ''] = of.keys;

  describe('batching', () => {
    withStack();

    test('given 40 clients that ask for 20 keys at once, then each key is asked once', async () => {
      fail({ delayMs: 200 });
      const keys = of.keys.slice(0, 20);
      const answers = await Promise.all([...keys, ...keys].map((key) => ask([key])));
      expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
      expect(
        reads()
          .flatMap((call) => call.keys)
          .sort(),
      ).toEqual([...keys].sort());
    });

    test('given more keys than one call may carry, then calls are full', async () => {
      const keys = of.keys.slice(0, 60);
      const { errors } = await ask(keys);
      expect(errors).toBeUndefined();
      expect(reads()).toHaveLength(Math.ceil(keys.length / of.maxBatch));
    });

    test('given one key that the provider refuses, then it alone is an error', async () => {
      fail({ key: two, status: 400 });
      const { data, errors } = await ask([one, two, three]);
      expect(errors?.map(({ path }) => path?.[0])).toEqual(['a1']);
      expect(data).toMatchObject({ a0: expect.anything(), a1: null, a2: expect.anything() });
    });

    test('given one of two clients leaves, then the other is answered by the same call', async () => {
      fail({ delayMs: 300, times: 1 });
      const client = new AbortController();
      const left = ask([one], { signal: client.signal });
      const stayed = ask([one]);
      await expect.poll(() => reads().length).toBe(1);
      client.abort();
      await expect(left).rejects.toThrow();
      expect((await stayed).errors).toBeUndefined();
      expect(reads()).toHaveLength(1);
    });

    test('given all clients leave, then the call is given up, and the next client is answered by another', async () => {
      fail({ hang: true, times: 1 });
      const clients = [new AbortController(), new AbortController()];
      const left = clients.map(({ signal }) => ask([one], { signal }));
      await expect.poll(() => reads().length).toBe(1);
      for (const client of clients) client.abort();
      await Promise.allSettled(left);
      await expect.poll(() => reads()[0]?.wasGivenUp).toBe(true);
      expect((await ask([one])).errors).toBeUndefined();
    });
  });

  describe('deadline', () => {
    withStack({ REQUEST_TIMEOUT_MS: '700' });

    test('given no answer, then the client has one at its deadline, and nothing is asked after it', async () => {
      fail({ hang: true });
      expect(codeOf(await ask([one]))).toBe('UPSTREAM_TIMEOUT');
      await expect.poll(() => reads()[0]?.wasGivenUp).toBe(true);
      expect(reads()).toHaveLength(1);
    });

    test('given a wait that would outlast the deadline, then the client is told at once how long it is', async () => {
      fail({ status: 429, headers: { 'retry-after': '30' } });
      const { errors } = await ask([one]);
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfterMs: 30_000 });
      expect(reads()).toHaveLength(1);
    });
  });

  describe('retry', () => {
    withStack({ [of.timeoutVariable]: '1000' });

    test.each([
      ['a 500', { status: 500 }, 3],
      ['a 503', { status: 503 }, 3],
      ['a connection that breaks', { drop: 'before' }, 3],
      ['no answer in time', { hang: true }, 2],
      ['a 400', { status: 400 }, 1],
      ['a 401', { status: 401 }, 1],
      ['a 403', { status: 403 }, 1],
      ['a 404', { status: 404 }, 1],
    ] as const)('given %s each time, then a read is sent so many times', async (_, fault, times) => {
      fail(fault);
      expect((await ask([one])).errors).toHaveLength(1);
      expect(reads()).toHaveLength(times);
    });

    test('given a failure that passes, then the client sees nothing of it', async () => {
      fail({ status: 500, times: 2 });
      expect((await ask([one])).errors).toBeUndefined();
      expect(reads().map(({ status }) => status)).toEqual([500, 500, 200]);
    });

    test('given a Retry-After, then nothing is sent before it has passed', async () => {
      fail({ status: 503, times: 1, headers: { 'retry-after': '1' } });
      expect((await ask([one])).errors).toBeUndefined();
      const [first, second] = reads();
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
    });

    test('given that every other call fails, then a tenth is repeated and not every one', async () => {
      // One after the other: failures in a row are another matter.
      for (const key of of.keys.slice(0, 40)) {
        fail({ key, status: 500, times: 1 });
        await ask([key]);
      }
      const seen = reads().map(({ keys }) => keys[0]);
      const repeated = seen.length - new Set(seen).size;
      expect(repeated).toBeGreaterThanOrEqual(10);
      expect(repeated).toBeLessThan(25);
    });
  });

  describe('writes', () => {
    withStack();

    test.runIf(of.isKeyed)('given lost answers, then it is sent again with its key, and carried out once', async () => {
      sandbox().fail({ on: of.writeOperation, drop: 'after', times: 2 });
      expect((await write(1)).errors).toBeUndefined();
      const keys = callsOf(of.writeOperation).map(({ idempotencyKey }) => idempotencyKey);
      expect(keys).toHaveLength(3);
      expect(new Set(keys).size).toBe(1);
      expect(keys[0]).toEqual(expect.any(String));
    });

    test.runIf(of.isKeyed)(
      'given a lost answer and then a refusal to take it, then its outcome is unknown',
      async () => {
        sandbox().fail({ on: of.writeOperation, drop: 'after', times: 1 });
        sandbox().fail({ on: of.writeOperation, status: 429, headers: { 'retry-after': '60' } });
        expect(codeOf(await write(5))).toBe('UPSTREAM_OUTCOME_UNKNOWN');
        expect(callsOf(of.writeOperation)).toHaveLength(2);
      },
    );

    test.runIf(of.isKeyed)('given the same key with other input, then it is refused', async () => {
      await write(2);
      const other = await write(-2);
      expect(codesOf(other.errors)).toEqual([['UPSTREAM_REJECTED', 'IDEMPOTENCY_KEY_REUSED']]);
    });

    test.runIf(!of.isKeyed)('given a lost answer, then it is not sent again but found out by asking', async () => {
      sandbox().fail({ on: of.writeOperation, drop: 'after' });
      expect((await write(1)).errors).toBeUndefined();
      expect(callsOf(of.writeOperation)).toHaveLength(1);
    });

    test.runIf(!of.isKeyed)(
      'given it was not carried out by then, then its outcome is said to be unknown',
      async () => {
        sandbox().fail({ on: of.writeOperation, drop: 'before' });
        expect(codeOf(await write(2))).toBe('UPSTREAM_OUTCOME_UNKNOWN');
        expect(callsOf(of.writeOperation)).toHaveLength(1);
      },
    );

    test('given no answer to anything, then its outcome is said to be unknown', async () => {
      for (const on of [of.writeOperation, of.readOperation]) sandbox().fail({ on, drop: 'after' });
      expect(codeOf(await write(3))).toBe('UPSTREAM_OUTCOME_UNKNOWN');
      expect(callsOf(of.writeOperation)).toHaveLength(of.isKeyed ? 3 : 1);
    });

    test('given a refusal, then it is passed on and nothing is sent again', async () => {
      sandbox().fail({ on: of.writeOperation, status: 400 });
      expect(codeOf(await write(4))).toBe('UPSTREAM_REJECTED');
      expect(callsOf(of.writeOperation)).toHaveLength(1);
    });
  });

  describe('breaker', () => {
    withStack();

    test('given five failures in a row, then it is left alone; a probe finds it back', async () => {
      fail({ status: 500 });
      await ask([one]);
      await ask([two]);
      expect(reads()).toHaveLength(5);
      expect(codeOf(await ask([three]))).toBe('UPSTREAM_UNAVAILABLE');
      expect(reads()).toHaveLength(5);

      skipAhead(5_000);
      expect(codeOf(await ask([three]))).toBe('UPSTREAM_UNAVAILABLE');
      expect(reads()).toHaveLength(6);

      stack.reset();
      skipAhead(5_000);
      const answers = await Promise.all([ask([one]), ask([two]), ask([three])]);
      expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
    });

    test('given refusals, then it is not left alone', async () => {
      fail({ status: 400 });
      for (const key of of.keys.slice(0, 8)) await ask([key]);
      expect(reads()).toHaveLength(8);
    });

    test('given clients that leave, then it is not left alone', async () => {
      fail({ hang: true });
      for (const key of of.keys.slice(0, 6)) {
        const client = new AbortController();
        const left = ask([key], { signal: client.signal });
        await expect.poll(() => reads().at(-1)?.keys).toContain(key);
        client.abort();
        await expect(left).rejects.toThrow();
      }
      stack.reset();
      expect((await ask([one])).errors).toBeUndefined();
    });
  });

  describe('bulkhead', () => {
    withStack({ [of.concurrencyVariable]: '2' });

    test('given ten calls to a slow provider, then two run at once, and none fails', async () => {
      fail({ delayMs: 150 });
      const answers: ReturnType<typeof ask>[] = [];
      for (const [index, key] of of.keys.slice(0, 10).entries()) {
        answers.push(ask([key]));
        // The first two are calls of their own; those that find no room are gathered.
        if (of.maxBatch > 1 && index < 2) await expect.poll(() => reads().length, { interval: 5 }).toBe(index + 1);
      }
      expect((await Promise.all(answers)).flatMap(({ errors }) => errors ?? [])).toEqual([]);
      expect(reads()).toHaveLength(of.maxBatch > 1 ? 3 : 10);
      expect(busiest(sandbox().calls, 140)).toBe(2);
    });
  });

  describe('quota', () => {
    const quotaOf = (calls: number, seconds: number) => ({
      [of.quota.variable]: of.quota.value.replaceAll('N', `${calls}`).replaceAll('S', `${seconds}`),
    });

    describe('of ten calls a second', () => {
      withStack(quotaOf(10, 1));

      test('given 30 calls, then they go ten a second, and none fails', async () => {
        const answers: ReturnType<typeof ask>[] = [];
        for (const [index, key] of of.keys.slice(0, 30).entries()) {
          answers.push(ask([key]));
          // So that they are calls of their own.
          if (of.maxBatch > 1) await expect.poll(() => reads().length, { interval: 5 }).toBe(index + 1);
        }
        const errors = (await Promise.all(answers)).flatMap((answer) => answer.errors ?? []);
        expect(errors).toEqual([]);
        expect(reads()).toHaveLength(30);
        expect(busiest(sandbox().calls, 1_000)).toBeLessThanOrEqual(10);
      });
    });

    describe('that lasts longer than clients wait', () => {
      withStack(quotaOf(3, 60));

      test('given one call too many, then it fails at once and says when to come again', async () => {
        for (const key of [one, two, three]) expect((await ask([key])).errors).toBeUndefined();
        const before = performance.now();
        const { errors } = await ask([one]);
        expect(performance.now() - before).toBeLessThan(5_000);
        expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED' });
        expect(errors?.[0]?.extensions?.['retryAfterMs']).toBeGreaterThan(50_000);
        expect(errors?.[0]?.extensions?.['retryAfterMs']).toBeLessThanOrEqual(60_000);
        expect(reads()).toHaveLength(3);
        skipAhead(60_000);
        expect((await ask([one])).errors).toBeUndefined();
      });
    });

    describe('that the provider says is spent', () => {
      withStack(quotaOf(10, 1));

      test('given a 429, then no further call is made until its time has come', async () => {
        fail({ status: 429, times: 1, headers: { 'retry-after': '300' } });
        await ask([one]);
        expect(codeOf(await ask([two]))).toBe('UPSTREAM_RATE_LIMITED');
        expect(reads()).toHaveLength(1);
        skipAhead(300_000);
        expect((await ask([two])).errors).toBeUndefined();
      });
    });
  });

  describe('cache', () => {
    // Fresh for ten seconds, refreshed up to a minute, kept for an hour.
    withStack({ CACHE_MAX_MIB: '16', [of.cache.variable]: `${of.cache.type}=10/60/3600` });
    const asStale = { path: ['a0'], provider: of.service };

    test('fresh: no call', async () => {
      const first = await ask([one]);
      expect((await ask([one])).data).toEqual(first.data);
      expect(reads()).toHaveLength(1);
      skipAhead(9_000);
      await ask([one]);
      expect(reads()).toHaveLength(1);
    });

    test('past its time: answered, said to be stale, and refreshed behind the client’s back', async () => {
      await ask([one]);
      skipAhead(30_000);
      expect(reportOf(await ask([one]))?.stale?.[0]).toEqual({ ...asStale, ageMs: expect.any(Number) });
      await expect.poll(() => reads().length).toBe(2);
      await expect.poll(async () => reportOf(await ask([one]))).toBeUndefined();
      expect(reads()).toHaveLength(2);
    });

    test('older: asked anew', async () => {
      await ask([one]);
      skipAhead(61_000);
      expect(reportOf(await ask([one]))).toBeUndefined();
      expect(reads()).toHaveLength(2);
    });

    test('older, and the provider is down: answered, with place, provider and age', async () => {
      const { data } = await ask([one]);
      skipAhead(600_000);
      fail({ status: 500 });
      const answer = await ask([one]);
      expect({ data: answer.data, errors: answer.errors }).toEqual({ data, errors: undefined });
      const [note] = reportOf(answer)?.stale ?? [];
      expect(note).toMatchObject(asStale);
      const { ageMs } = note as { ageMs: number };
      expect(ageMs).toBeGreaterThanOrEqual(600_000);
      expect(ageMs).toBeLessThan(620_000);
    });

    test('older, and the provider is slow: the client waits a second', async () => {
      await ask([one]);
      skipAhead(600_000);
      fail({ delayMs: 4_000 });
      const before = performance.now();
      expect(reportOf(await ask([one]))?.stale?.[0]).toMatchObject(asStale);
      expect(performance.now() - before).toBeLessThan(2_500);
      // The call goes on, and what it brings is kept.
      await expect.poll(async () => reportOf(await ask([one]))).toBeUndefined();
      expect(reads()).toHaveLength(1 + 1);
    });

    test('too old: an error', async () => {
      await ask([one]);
      skipAhead(3_601_000);
      fail({ status: 500 });
      expect(codeOf(await ask([one]))).toBe('UPSTREAM_UNAVAILABLE');
    });

    test.each([401, 403])('%i: an error, whatever is kept', async (status) => {
      await ask([one]);
      skipAhead(600_000);
      fail({ status });
      expect(codeOf(await ask([one]))).toBe('UPSTREAM_UNAUTHORIZED');
    });

    test('absent: believed for ten seconds', async () => {
      await ask([of.absentKey]);
      await ask([of.absentKey]);
      expect(reads()).toHaveLength(1);
      skipAhead(10_001);
      await ask([of.absentKey]);
      expect(reads()).toHaveLength(2);
    });

    test('errors are not kept', async () => {
      fail({ status: 403, times: 1 });
      await ask([one]);
      expect((await ask([one])).errors).toBeUndefined();
    });

    test('no-cache: asked anew, and kept for others', async () => {
      await ask([one]);
      await ask([one], { headers: { 'cache-control': 'no-cache' } });
      expect(reads()).toHaveLength(2);
      await ask([one]);
      expect(reads()).toHaveLength(2);
    });

    test('no-cache while a call is under way: not joined', async () => {
      fail({ delayMs: 300, times: 1 });
      const slow = ask([one]);
      await expect.poll(() => reads().length).toBe(1);
      await ask([one], { headers: { 'cache-control': 'no-cache' } });
      expect(reads()).toHaveLength(2);
      await slow;
    });

    test('a write: what it changes is asked anew, by everybody', async () => {
      const { key } = of.write(10);
      const other = of.keys.find((one) => one !== key) ?? '';
      const before = await ask([key, other]);
      expect((await write(10)).errors).toBeUndefined();
      stack.reset();
      const after = await ask([key, other]);
      expect(after.data?.['a0']).not.toEqual(before.data?.['a0']);
      expect(after.data?.['a1']).toEqual(before.data?.['a1']);
      expect(reads().flatMap(({ keys }) => keys)).not.toContain(other);
      expect((await ask([key, other])).data).toEqual(after.data);
      expect(reads().length).toBeLessThanOrEqual(1);
    });

    test('a write while a read is under way: the read’s answer is not given to anybody later', async () => {
      const { key } = of.write(11);
      fail({ delayMs: 400, times: 1 });
      const slow = ask([key]);
      await expect.poll(() => reads().length).toBe(1);
      expect((await write(11)).errors).toBeUndefined();
      const fresh = await ask([key]);
      expect((await slow).data).not.toEqual(fresh.data);
      expect((await ask([key])).data).toEqual(fresh.data);
    });

    test('the report says what was had from where', async () => {
      const headers = { 'x-tributary-report': '1' };
      await ask([one]);
      const rows = reportOf(await ask([one, two], { headers }))?.calls;
      expect(rows?.find(({ operation }) => operation === of.readOperation)).toMatchObject({
        upstream: of.service,
        calls: 1,
        retries: 0,
        failures: 0,
        keys: 1,
        hits: 1,
        misses: 1,
        stale: 0,
        bytesReceived: expect.any(Number),
      });
      fail({ status: 500, times: 1 });
      expect(reportOf(await ask([three], { headers }))?.calls?.[0]).toMatchObject({
        calls: 2,
        retries: 1,
        failures: 1,
      });
    });
  });
};
