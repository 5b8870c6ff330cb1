import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createTurnQueue, type TurnQueue } from '../../runtime/turn-queue.ts';

/** Exceeds the time budget of one iteration. */
const LONG_MS = 20;

const keepBusy = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

/** Takes a turn for a stretch of work that records its name and keeps the thread busy. */
const stretch = async (turns: TurnQueue, done: string[], name: string, dueAt?: number): Promise<void> => {
  const turn = turns.take(dueAt);
  if (turn) await turn;
  done.push(name);
  keepBusy(LONG_MS);
};

describe('a turn queue', () => {
  test('lets the first stretch run immediately', () => {
    expect(createTurnQueue().take()).toBeUndefined();
  });

  test('resumes the stretch that is due first, regardless of arrival order', async () => {
    const turns = createTurnQueue();
    const done: string[] = [];
    await Promise.all([
      stretch(turns, done, 'first to come', 250),
      stretch(turns, done, 'due last', 300),
      stretch(turns, done, 'due first', 100),
      stretch(turns, done, 'due second', 200),
      stretch(turns, done, 'due second too', 200),
    ]);
    expect(done).toEqual(['first to come', 'due first', 'due second', 'due second too', 'due last']);
  });

  test('lets work that is due earlier run before waiting work', async () => {
    const turns = createTurnQueue();
    const done: string[] = [];
    const large = async (name: string, dueAt: number) => {
      for (const part of ['1', '2', '3']) await stretch(turns, done, `${name}${part}`, dueAt);
    };
    await Promise.all([large('a', 1), large('b', 2)]);
    expect(done).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3']);
  });

  test('lets no work overtake waiting work that is due before it', async () => {
    const turns = createTurnQueue();
    turns.take(0);
    keepBusy(LONG_MS);
    const [first, second] = [turns.take(1), turns.take(2)];
    await first;
    expect(turns.take(3)).toBeInstanceOf(Promise);
    await second;
  });

  test('lets other work run between two long stretches', async () => {
    const turns = createTurnQueue();
    const done: string[] = [];
    const before: number[] = [];
    let iterations = 0;
    let isOver = false;
    const others = (async () => {
      while (!isOver) {
        await setImmediate();
        iterations += 1;
      }
    })();
    const one = async (name: string) => {
      await stretch(turns, done, name);
      before.push(iterations);
    };
    await Promise.all(['a', 'b', 'c', 'd'].map(one));
    isOver = true;
    await others;
    expect(new Set(before).size).toBe(4);
  });
});
