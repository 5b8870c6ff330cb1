import { describe, expect, test } from 'vitest';
import { codesOf } from '../../helpers/stack.ts';
import { codeOf, type Harness } from './harness.ts';

/** Carries out a write once, or reports an unknown outcome. */
export const writes = ({ of, withStack, write, sandbox, callsOf }: Harness): void => {
  describe('writes', () => {
    withStack();

    test.runIf(of.supportsIdempotencyKey)(
      'given lost answers, then it is sent again with its key, and carried out once',
      async () => {
        sandbox().fail({ on: of.writeOperation, drop: 'after', times: 2 });
        expect((await write(1)).errors).toBeUndefined();
        const keys = callsOf(of.writeOperation).map(({ idempotencyKey }) => idempotencyKey);
        expect(keys).toHaveLength(3);
        expect(new Set(keys).size).toBe(1);
        expect(keys[0]).toEqual(expect.any(String));
      },
    );

    test.runIf(of.supportsIdempotencyKey)(
      'given a lost answer and then a refusal to take it, then its outcome is unknown',
      async () => {
        sandbox().fail({ on: of.writeOperation, drop: 'after', times: 1 });
        sandbox().fail({ on: of.writeOperation, status: 429, headers: { 'retry-after': '60' } });
        expect(codeOf(await write(5))).toBe('UPSTREAM_OUTCOME_UNKNOWN');
        expect(callsOf(of.writeOperation)).toHaveLength(2);
      },
    );

    test.runIf(of.supportsIdempotencyKey)('given the same key with other input, then it is refused', async () => {
      await write(2);
      const other = await write(-2);
      expect(codesOf(other.errors)).toEqual([['UPSTREAM_REJECTED', 'IDEMPOTENCY_KEY_REUSED']]);
    });

    test.runIf(!of.supportsIdempotencyKey)(
      'given a lost answer, then it is not sent again but found out by asking',
      async () => {
        sandbox().fail({ on: of.writeOperation, drop: 'after' });
        expect((await write(1)).errors).toBeUndefined();
        expect(callsOf(of.writeOperation)).toHaveLength(1);
      },
    );

    test.runIf(!of.supportsIdempotencyKey)(
      'given it was not carried out by then, then its outcome is said to be unknown',
      async () => {
        sandbox().fail({ on: of.writeOperation, drop: 'before' });
        expect(codeOf(await write(2))).toBe('UPSTREAM_OUTCOME_UNKNOWN');
        expect(callsOf(of.writeOperation)).toHaveLength(1);
      },
    );

    test('given no answer to anything, then its outcome is said to be unknown', async () => {
      // An empty fault for the reads before the write, without which the write is not sent.
      if (of.readsBeforeWrite) sandbox().fail({ on: of.readOperation, times: of.readsBeforeWrite });
      for (const on of [of.writeOperation, of.readOperation]) sandbox().fail({ on, drop: 'after' });
      expect(codeOf(await write(3))).toBe('UPSTREAM_OUTCOME_UNKNOWN');
      expect(callsOf(of.writeOperation)).toHaveLength(of.supportsIdempotencyKey ? 3 : 1);
    });

    test('given a refusal, then it is passed on and nothing is sent again', async () => {
      sandbox().fail({ on: of.writeOperation, status: 400 });
      expect(codeOf(await write(4))).toBe('UPSTREAM_REJECTED');
      expect(callsOf(of.writeOperation)).toHaveLength(1);
    });
  });
};
