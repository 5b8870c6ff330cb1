import type { Log } from '../runtime/log.ts';

/** Interval between log entries, in milliseconds. */
const LOG_EVERY_MS = 60_000;

export type FailureLogOptions = {
  readonly message: string;
  /** The name of the count in log entries: what is lost by a failure. */
  readonly count: string;
};

/** Notes a failure by its error or a code, and how much was lost by it (1). */
export type NoteFailure = (why: unknown, lost?: number) => void;

/** Returns a function to call with each failure. Logs the first at once, then once a minute how much was lost since. */
export const createFailureLog = (log: Log, { message, count }: FailureLogOptions): NoteFailure => {
  let lost = 0;
  let lastWhy: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const report = (): void => {
    timer = undefined;
    if (lost === 0) return;
    log.warn({ [count]: lost, why: lastWhy }, message);
    lost = 0;
    timer = setTimeout(report, LOG_EVERY_MS).unref();
  };
  return (why, more = 1) => {
    lost += more;
    lastWhy = codeOf(why);
    if (timer === undefined) report();
  };
};

/** Returns a code. A message can contain a secret, or the collector's response. */
const codeOf = (why: unknown): string => {
  if (typeof why === 'string') return why;
  if (!(why instanceof Error)) return 'unknown';
  return 'code' in why && why.code !== undefined ? String(why.code) : why.name;
};
