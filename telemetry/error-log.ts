import { monotonicNow } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

/** Interval between log entries, in milliseconds. */
const LOG_EVERY_MS = 60_000;

/** Returns a function to call with each failure. Logs at most one a minute, by its code: a message may contain a secret. */
export const createErrorLog = (log: Log, message: string): ((error: unknown) => void) => {
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (monotonicNow() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = monotonicNow();
    log.warn({ why: codeOf(error) }, message);
  };
};

const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && error.code !== undefined ? String(error.code) : error.name;
};
