import { describe, expect, test } from 'vitest';
import { createLoopPacer } from '../../runtime/loop-pacer.ts';

/** A pacer on a clock and an event loop that the test drives. */
const start = () => {
  let time = 0;
  const iterations: (() => void)[] = [];
  const afterStarts: (() => void)[] = [];
  const pacer = createLoopPacer({
    now: () => time,
    nextIteration: (callback) => iterations.push(callback),
    afterStart: (callback) => afterStarts.push(callback),
  });
  const runAll = (callbacks: (() => void)[]) => {
    for (const callback of callbacks.splice(0)) callback();
  };
  return {
    pacer,
    /** Lets running work take this long in this iteration. */
    work: (ms: number) => {
      time += ms;
    },
    /** Begins the next iteration. */
    iterate: () => runAll(iterations),
    /** Lets work that was started take this long until it gives up the event loop. */
    endStart: (ms = 0) => {
      time += ms;
      runAll(afterStarts);
    },
    isTimed: () => iterations.length > 0,
  };
};

const nothing = () => {};

describe('a loop pacer', () => {
  test('lets work start immediately if none started lately', () => {
    const { pacer, endStart, iterate, isTimed } = start();
    expect(pacer.mayStart()).toBe(true);
    pacer.start();
    endStart(5);
    expect(pacer.mayStart()).toBe(false);
    iterate();
    expect(isTimed()).toBe(false);
    expect(pacer.mayStart()).toBe(true);
  });

  test('lets short work start in the same iteration, until it has taken a millisecond', () => {
    const { pacer, endStart } = start();
    for (let count = 0; count < 4; count += 1) {
      expect(pacer.mayStart()).toBe(true);
      pacer.start();
      endStart(0.3);
    }
    expect(pacer.mayStart()).toBe(false);
  });

  test('lets nothing start before what was started gives up the event loop', () => {
    const { pacer, work, iterate, endStart } = start();
    pacer.start();
    expect(pacer.mayStart()).toBe(false);
    work(100);
    pacer.retry(nothing);
    iterate();
    expect(pacer.mayStart()).toBe(false);
    endStart();
    expect(pacer.mayStart()).toBe(true);
  });

  test('lets work start after an iteration without other work', () => {
    const { pacer, work, endStart, iterate } = start();
    pacer.start();
    endStart();
    pacer.retry(nothing);
    work(2);
    expect(pacer.mayStart()).toBe(false);
    iterate();
    expect(pacer.mayStart()).toBe(false);
    pacer.retry(nothing);
    work(0.1);
    iterate();
    expect(pacer.mayStart()).toBe(true);
  });

  test.each([
    // Iterations with other work that take this long, and those of the first eight in which work starts.
    [1.5, [2, 4, 6, 8]],
    [10, [2, 4, 6, 8]],
    [40, [2, 4, 6, 8]],
    [60, [1, 2, 3, 4, 5, 6, 7, 8]],
  ])('given iterations of %d ms with other work, then work starts in these', (ms, expected) => {
    const { pacer, work, endStart, iterate } = start();
    pacer.start();
    endStart();
    const starts: number[] = [];
    for (let count = 1; count <= 8; count += 1) {
      pacer.retry(nothing);
      work(ms);
      iterate();
      if (!pacer.mayStart()) continue;
      starts.push(count);
      pacer.start();
      endStart();
    }
    expect(starts).toEqual(expected);
  });

  test('calls back in the next iteration, or earlier if there is still time', () => {
    const { pacer, iterate, endStart, isTimed } = start();
    const calls: string[] = [];
    pacer.start();
    pacer.retry(() => calls.push('same iteration'));
    endStart(0.5);
    expect(calls).toEqual(['same iteration']);
    pacer.start();
    pacer.retry(() => calls.push('replaced'));
    pacer.retry(() => calls.push('next iteration'));
    endStart(1);
    expect(calls).toHaveLength(1);
    iterate();
    expect(calls).toEqual(['same iteration', 'next iteration']);
    iterate();
    // The event loop blocks again.
    expect(isTimed()).toBe(false);
  });

  test('times the real event loop', async () => {
    const pacer = createLoopPacer();
    pacer.start();
    const began = performance.now();
    while (performance.now() - began < 2);
    await new Promise<void>((resolve) => {
      const retry = () => (pacer.mayStart() ? resolve() : pacer.retry(retry));
      pacer.retry(retry);
    });
  });
});
