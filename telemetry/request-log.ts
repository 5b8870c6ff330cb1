import type { Log } from '../runtime/log.ts';
import type { OperationEvent, RefusalEvent } from './events.ts';
import { createRateBound } from './rate-bound.ts';
import type { TelemetryListener } from './telemetry.ts';

export type RequestLogOptions = {
  /** The share of requests to log. Those with errors and the slow ones are always logged. */
  readonly share: number;
  /** The duration from which a request is slow, in milliseconds. */
  readonly slowMs: number;
  readonly log: Pick<Log, 'info'>;
};

/** Maximum length of a name that the client chose. */
const MAX_NAME_CHARS = 200;

/**
 * Maximum number of requests that are logged although they were refused, or failed and their clients did not authenticate: a second,
 * and at once after a pause. Such requests cost their senders nothing. The others are counted.
 */
export const MAX_CHEAP = { perSecond: 50, atOnce: 500 };

/**
 * Creates a listener that logs requests, one line for each: who sent it, its operation, outcome, duration and provider calls.
 * No text of documents, no variables and no data are logged.
 */
export const createRequestLog = ({ share, slowMs, log }: RequestLogOptions): TelemetryListener => {
  const mayLogCheap = createRateBound(MAX_CHEAP);
  let omitted = 0;
  const logCheap = (line: object, message: string): void => {
    if (!mayLogCheap()) {
      omitted += 1;
      return;
    }
    log.info({ ...line, ...(omitted > 0 && { omitted }) }, message);
    omitted = 0;
  };
  const logOperation = (event: OperationEvent): void => {
    const isNotable = event.outcome !== 'ok' || event.durationMs >= slowMs;
    if (!isNotable && share < 1 && Math.random() >= share) return;
    if (event.outcome !== 'ok' && isAnonymous(event)) logCheap(describeOperation(event), 'Request.');
    else log.info(describeOperation(event), 'Request.');
  };
  const logRefusal = ({ code, network, traceId }: RefusalEvent): void =>
    logCheap({ client: network, code, trace: traceId }, 'Refused request.');
  return {
    types: ['operation', 'refusal'],
    on: (event) => {
      if (event.type === 'operation') logOperation(event);
      else if (event.type === 'refusal') logRefusal(event);
    },
  };
};

const isAnonymous = ({ client }: OperationEvent): boolean => client.name === 'anonymous';

const describeOperation = (event: OperationEvent) => {
  const { client, operationName, kind, hash, outcome, codes, stale, calls, durationMs, traceId } = event;
  return {
    client: isAnonymous(event) ? client.network : client.name,
    operation: operationName?.slice(0, MAX_NAME_CHARS),
    type: kind,
    hash,
    outcome,
    ...(codes.length > 0 && { codes }),
    ms: Math.round(durationMs),
    calls: Object.fromEntries(calls),
    ...(stale > 0 && { stale }),
    trace: traceId,
  };
};
