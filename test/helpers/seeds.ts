import { test } from 'vitest';

const ONE = process.env['SEED'];
const COUNT = process.env['SEEDS'];

type Random = {
  /** How many operations `npm test` runs. */
  readonly first: number;
  /** How many run without `SEEDS`, those of `npm test` included. */
  readonly all: number;
  /** Runs the operations of these seeds. With `isOne`, shares of all operations mean nothing. */
  readonly run: (seeds: readonly number[], isOne: boolean) => Promise<void>;
};

/**
 * Defines a test of random operations, all of which depend on their seeds alone. The first seeds are a test of their own; the
 * others take long. `SEED=<n>` repeats one operation, `SEEDS=<n>` sets the number of all.
 */
export const testSeeds = (name: string, { first, all, run }: Random): void => {
  if (ONE) {
    test(`seed ${ONE}: ${name}`, () => run([Number(ONE)], true));
    return;
  }
  const last = Number(COUNT ?? all);
  const define = (from: number, to: number, tags: string[]): void => {
    const seeds = Array.from({ length: to - from + 1 }, (_, index) => from + index);
    const timeout = Math.max(600_000, seeds.length * 500);
    test(`seeds ${from} to ${to}: ${name}`, { tags, timeout }, () => run(seeds, false));
  };
  define(1, Math.min(first, last), []);
  if (last > first) define(first + 1, last, ['long']);
};
