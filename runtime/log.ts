import { type Logger, pino } from 'pino';

/** A structured log: `log.error({ code }, 'message')`. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** The levels `LOG_LEVEL` may name. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** Writes one JSON object a line to the standard output. */
export const createLog = (level: (typeof LOG_LEVELS)[number]): Logger =>
  pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // Nothing is logged with these on purpose; this is for the object somebody logs whole by mistake.
    redact: {
      paths: ['headers.authorization', '*.headers.authorization', 'headers.cookie', '*.headers.cookie'],
      censor: '[redacted]',
    },
  });
