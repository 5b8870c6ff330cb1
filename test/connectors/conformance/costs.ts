import { describe, expect, test } from 'vitest';
import type { ClientExplanation } from '../../../gateway/cost/client-explanation.ts';
import type { Answer } from '../../helpers/stack.ts';
import type { Harness } from './harness.ts';

const EXPLAIN = { headers: { 'x-tributary-explain': '1', 'cache-control': 'no-cache' } };

const explanationOf = ({ text }: Answer<unknown>): ClientExplanation => JSON.parse(text).extensions.tributary.explain;

/** Says what an operation costs before it is executed, and calls nobody for that. */
export const costs = ({ of, withStack, ask, write, sandbox, callsOf }: Harness): void => {
  describe('costs', () => {
    withStack();

    test('given keys, then they are expected in full batches', async () => {
      const keys = of.keys.slice(0, 30);
      const { operations } = explanationOf(await ask(keys, EXPLAIN));
      expect(sandbox().calls).toEqual([]);
      const read = operations.find(({ operation }) => operation === of.readOperation);
      expect(read).toMatchObject({ subgraph: of.service, keys: 30 });
      await ask(keys, { headers: { 'cache-control': 'no-cache' } });
      expect(callsOf(of.readOperation).length).toBeLessThanOrEqual(read?.atMost ?? 0);
    });

    test('given a write, then it is expected once, and nothing is written', async () => {
      const { operations, providers } = explanationOf(await write(1, EXPLAIN));
      expect(sandbox().calls).toEqual([]);
      const written = operations.find(({ operation }) => operation === of.writeOperation);
      expect(written?.expected).toBe(1);
      await write(1);
      expect(sandbox().calls.length).toBeLessThanOrEqual(providers[0]?.atMost ?? 0);
    });
  });
};
