import { z } from 'zod';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/http-app.ts';
import { findDown, type ProcessReport } from './describe.ts';

/** The providers whose outage makes a process not ready: none, all, or those of these subgraphs. */
export type Readiness = 'process' | 'providers' | ReadonlySet<string>;

/** The variable that decides when a process is ready. */
export const READINESS_SHAPE = {
  READINESS: z
    .string()
    .transform((text): Readiness => {
      if (text === 'process' || text === 'providers') return text;
      return new Set(text.split(',').map((name) => name.trim()));
    })
    .prefault('process'),
};

/** Returns the problem of a value that names a subgraph that does not exist; undefined if all do. */
export const readinessProblem = (readiness: Readiness, subgraphs: readonly string[]): string | undefined =>
  typeof readiness === 'string' || [...readiness].every((name) => subgraphs.includes(name))
    ? undefined
    : `READINESS: must be process, providers, or a list of: ${subgraphs.join(', ')}`;

/** How long an assessment holds, in milliseconds: everybody may ask, and reading the report takes a part of a millisecond. */
const HOLDS_MS = 1_000;

/**
 * Creates a function that returns what outages of providers mean for `/health/ready`, by the report of the last second. `degraded`
 * names the subgraphs whose provider is down; the process still serves the others, and what it has cached. `status` is
 * `unavailable` if such an outage counts.
 */
export const createReadiness = (
  readiness: Readiness,
  read: () => Pick<ProcessReport, 'record' | 'state'>,
): (() => Partial<Health>) => {
  const assess = (): Partial<Health> => {
    const degraded = findDown(read());
    if (degraded.length === 0) return {};
    const isUnavailable =
      readiness === 'providers' || (readiness !== 'process' && degraded.some((subgraph) => readiness.has(subgraph)));
    return { ...(isUnavailable && { status: 'unavailable' }), degraded };
  };
  let last: Partial<Health> = {};
  let assessedAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = monotonicNow();
    if (now - assessedAt >= HOLDS_MS) {
      last = assess();
      assessedAt = now;
    }
    return last;
  };
};
