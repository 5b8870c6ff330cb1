import { type Logger, pino } from 'pino';

/** A structured logger: `log.error({ code }, 'message')`. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'isLevelEnabled'>;

/** Valid values of `LOG_LEVEL`. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Creates a logger that writes one JSON object per line to standard output. */
export const createLog = (level: LogLevel): Logger =>
  pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // A safety net for objects that are logged with their headers by mistake.
    redact: {
      paths: ['headers.authorization', '*.headers.authorization', 'headers.cookie', '*.headers.cookie'],
      censor: '[redacted]',
    },
  });
