import { type Logger, pino } from 'pino';

/** A structured logger: `log.error({ code }, 'message')`. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'child' | 'isLevelEnabled'>;

/** Valid values of `LOG_LEVEL`. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Creates a logger that writes one JSON object per line to standard output. */
export const createLog = (level: LogLevel): Logger =>
  pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
    // A safety net for objects that are logged with their headers by mistake.
    redact: {
      paths: ['headers.authorization', '*.headers.authorization', 'headers.cookie', '*.headers.cookie'],
      censor: '[redacted]',
    },
  });

/** Returns a logger whose entries name the trace that they belong to, if there is one. */
export const withTraceId = (log: Log, traceId: string | undefined): Log =>
  traceId === undefined ? log : log.child({ trace: traceId });

/** Maximum number of causes that are logged of an error. */
const MAX_CAUSES = 10;

/**
 * Describes an error for the log, with the errors that caused it. Of its own properties only the code is logged: those of an
 * error about a request can contain headers and bodies. A parser's message can quote the text that it could not parse.
 */
const describeError = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error;
  const causes: object[] = [];
  for (let { cause } = error; cause instanceof Error && causes.length < MAX_CAUSES; { cause } = cause) {
    causes.push(summarize(cause));
  }
  return { ...summarize(error), stack: framesOf(error), ...(causes.length > 0 && { causes }) };
};

const summarize = (error: Error) => ({
  type: error.constructor.name,
  message: error instanceof SyntaxError ? undefined : error.message,
  code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
});

/** Returns the stack without the message, which is logged by itself. */
const framesOf = ({ stack = '' }: Error): string => stack.slice(Math.max(0, stack.search(/^\s+at /m)));
