import { describe, expect, test } from 'vitest';
import { createAdmission } from '../../runtime/admission.ts';
import type { LoopPacer } from '../../runtime/loop-pacer.ts';

/* Admission while the event loop is busy, decided by a pacer that the test drives. */

const start = (limits: { running: number; waiting: number }) => {
  let isFree = false;
  let pending = () => {};
  const pacer: LoopPacer = {
    mayStart: () => isFree,
    start: () => {
      isFree = false;
    },
    retry: (callback) => {
      pending = callback;
    },
  };
  const admission = createAdmission({ ...limits, isPaced: true }, pacer);
  const admitted: string[] = [];
  const refused: string[] = [];
  const releases = new Map<string, () => void>();
  const request = async (name: string, signal = new AbortController().signal) => {
    try {
      const release = await admission.acquire({ signal, client: { id: name.slice(0, -1), weight: 1 } });
      admitted.push(name);
      releases.set(name, release);
    } catch {
      refused.push(name);
    }
  };
  /** Lets one request start, as when the event loop is free. */
  const free = async () => {
    isFree = true;
    pending();
    await settled();
  };
  return { request, free, admitted, refused, release: (name: string) => releases.get(name)?.() };
};

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('admission while the event loop is busy', () => {
  test('admits one request each time it is free, of each client in turn', async () => {
    const { request, free, admitted } = start({ running: 100, waiting: 0 });
    for (const name of ['greedy1', 'greedy2', 'greedy3', 'greedy4', 'polite1', 'polite2']) void request(name);
    await settled();
    expect(admitted).toEqual([]);
    for (let count = 0; count < 6; count += 1) await free();
    expect(admitted).toEqual(['greedy1', 'polite1', 'greedy2', 'polite2', 'greedy3', 'greedy4']);
  });

  test('goes on if all admitted requests wait for the network', async () => {
    const { request, free, admitted } = start({ running: 100, waiting: 0 });
    for (let count = 0; count < 50; count += 1) void request('greedy1');
    for (let count = 0; count < 50; count += 1) await free();
    // None has ended.
    expect(admitted).toHaveLength(50);
  });

  test('lets as many requests wait as could run, and MAX_WAITING_REQUESTS more', async () => {
    const { request, free, admitted, refused, release } = start({ running: 2, waiting: 1 });
    for (const name of ['a1', 'a2', 'a3']) void request(name);
    await settled();
    expect(refused).toEqual([]);
    void request('b1');
    await settled();
    expect(refused).toEqual(['a3']);
    await free();
    await free();
    await free();
    expect(admitted).toEqual(['a1', 'b1']);
    release('a1');
    await free();
    expect(admitted).toEqual(['a1', 'b1', 'a2']);
  });

  test('gives up requests that time out', async () => {
    const { request, free, admitted, refused } = start({ running: 2, waiting: 0 });
    const controller = new AbortController();
    void request('a1', controller.signal);
    void request('b1');
    controller.abort();
    await settled();
    expect(refused).toEqual(['a1']);
    await free();
    expect(admitted).toEqual(['b1']);
  });
});
