import type { Log } from '../runtime/log.ts';
import { createRateBound } from './rate-bound.ts';
import type { TelemetryListener } from './telemetry.ts';

/** Maximum number of log entries: a second, and at once after a pause. The others are counted. */
const MAX_ENTRIES = { perSecond: 1, atOnce: 100 };

/**
 * Creates a listener that logs when a circuit breaker opens, and when it closes again: an outage behind a warm cache causes no
 * error that would be logged. Failed probes in between are not logged.
 */
export const createBreakerLog = (log: Pick<Log, 'info' | 'warn'>): TelemetryListener => {
  const mayLog = createRateBound(MAX_ENTRIES);
  let omitted = 0;
  const takeOmitted = () => {
    const count = omitted;
    omitted = 0;
    return count > 0 && { omitted: count };
  };
  return {
    types: ['provider.breaker'],
    on: (event) => {
      if (event.type !== 'provider.breaker') return;
      const { subgraph, operation, state, failure } = event;
      if (state !== 'closed' && !failure) return;
      if (!mayLog()) omitted += 1;
      else if (failure) log.warn({ subgraph, operation, ...failure, ...takeOmitted() }, 'A circuit breaker opened.');
      else log.info({ subgraph, operation, ...takeOmitted() }, 'A circuit breaker closed: the provider answers again.');
    },
  };
};
