import { expect, test } from 'vitest';
import { writeCrossing, writeSmall, writeSupergraph } from '../../../bench/planning/graph.ts';
import type { PlanningJob } from '../../../gateway/planning/messages.ts';
import { createPlanningThread } from '../../../gateway/planning/planning-thread.ts';

const graph = { supergraphSdl: writeSupergraph(10), introspection: true };
const LIMITS = { timeoutMs: 60_000, maxWaitMs: 60_000 };
const plan = (text: string): PlanningJob => ({ kind: 'plan', text, overrideConditions: new Map() });

test('a thread that has been idle ends, and starts again for the next job', async () => {
  const thread = createPlanningThread({ isQuick: false }, 1);
  const [first, second] = [thread.add(graph, false), thread.add(graph, false)];
  for (let round = 0; round < 3; round++) {
    expect((await first.run(plan(writeSmall(round)), LIMITS)).kind).toBe('planned');
    // Each of these finds nothing to do, and so do they together. None of them ends the thread during the next job.
    for (let count = 0; count < 5; count++) second.release();
    const planned = await Promise.all([1, 2].map((variant) => first.run(plan(writeCrossing(10, variant)), LIMITS)));
    expect(planned.map(({ kind }) => kind)).toEqual(['planned', 'planned']);
  }
});

test('a graph that was released is still planned for', async () => {
  const thread = createPlanningThread({ isQuick: true });
  const [previous, next] = [thread.add(graph, true), thread.add(graph, true)];
  const running = previous.run(plan(writeSmall(1)), LIMITS);
  previous.release();
  expect((await running).kind).toBe('planned');
  expect((await previous.run(plan(writeSmall(2)), LIMITS)).kind).toBe('planned');
  expect((await next.run(plan(writeSmall(2)), LIMITS)).kind).toBe('planned');
  next.release();
});

test('a job that takes too long is rejected, and the others are not', async () => {
  const thread = createPlanningThread({ isQuick: true });
  const one = thread.add(graph, true);
  const settled = await Promise.allSettled([
    one.run(plan(writeCrossing(10)), { ...LIMITS, timeoutMs: 1 }),
    one.run(plan(writeSmall()), LIMITS),
  ]);
  expect(settled).toMatchObject([
    { status: 'rejected', reason: { extensions: { code: 'OPERATION_TOO_COMPLEX' } } },
    { status: 'fulfilled', value: { kind: 'planned' } },
  ]);
  one.release();
});

test('a graph that cannot be planned for rejects its jobs, and no others', async () => {
  const thread = createPlanningThread({ isQuick: true });
  const invalid = thread.add({ ...graph, supergraphSdl: 'type Query { a: Int }' }, true);
  const valid = thread.add(graph, true);
  const settled = await Promise.allSettled([invalid, valid].map((one) => one.run(plan(writeSmall()), LIMITS)));
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
});
