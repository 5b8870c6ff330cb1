import type { Log } from './log.ts';

/** Interval between log entries while requests are refused, in milliseconds. */
const LOG_EVERY_MS = 60_000;

/** Returns a function to call for each refused request. Logs the first at once, then once a minute how many there were. */
export const createOverloadLog = (log: Log): (() => void) => {
  let refused = 0;
  let timer: NodeJS.Timeout | undefined;
  const report = (): void => {
    timer = undefined;
    if (refused === 0) return;
    log.warn({ code: 'OVERLOADED', refused }, 'Refused requests: the server is overloaded.');
    refused = 0;
    timer = setTimeout(report, LOG_EVERY_MS).unref();
  };
  return () => {
    refused += 1;
    if (timer === undefined) report();
  };
};
