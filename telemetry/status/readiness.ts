import { z } from 'zod';
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

/**
 * Returns what outages of providers mean for `/health/ready`. `degraded` names the subgraphs whose provider is down; the process
 * still serves the others, and what it has cached. `status` is `unavailable` if such an outage counts.
 */
export const assessReadiness = (
  readiness: Readiness,
  report: Pick<ProcessReport, 'record' | 'state'>,
): Partial<Health> => {
  const degraded = findDown(report);
  if (degraded.length === 0) return {};
  const isUnavailable =
    readiness === 'providers' || (readiness !== 'process' && degraded.some((subgraph) => readiness.has(subgraph)));
  return { ...(isUnavailable && { status: 'unavailable' }), degraded };
};
