import { monotonicNow } from '../../../runtime/clock.ts';

/** Options of an operation, from a client or from the gateway on its behalf. */
export type OperationOptions = {
  /** Aborts at the deadline or when the client leaves. */
  readonly signal: AbortSignal;
  /** The deadline, by `monotonicNow`. */
  readonly deadlineAt: number;
  /** Bypasses the cache: only data fetched after the request arrived is used. */
  readonly noCache: boolean;
  /** Detail of the call statistics in the response: sums per provider operation, or also the time of each request. */
  readonly report: 'calls' | 'trace' | undefined;
  /** Whether the response reports how much longer it is fresh. */
  readonly reportMaxAge: boolean;
};

/*
 * Headers between a gateway and a subgraph over HTTP. A client's headers go to the gateway, which forwards those it allows.
 */

const DEADLINE_HEADER = 'x-tributary-deadline-ms';
const MAX_AGE_HEADER = 'x-tributary-freshness';
const REPORT_HEADER = 'x-tributary-report';

/** Reads the requested report: `x-tributary-report: 1` for sums, `trace` for each provider request. */
export const readReportHeader = (headers: Readonly<Record<string, unknown>>): OperationOptions['report'] => {
  const value = headers[REPORT_HEADER];
  if (value === 'trace') return 'trace';
  return value === '1' ? 'calls' : undefined;
};

/** Whether a client bypasses the cache with `Cache-Control: no-cache`. */
export const requestsNoCache = (cacheControl: unknown): boolean =>
  typeof cacheControl === 'string' && /(^|[\s,])no-cache($|[\s,])/i.test(cacheControl);

/** Encodes an operation's options as headers for a subgraph. */
export const toOptionHeaders = ({ deadlineAt, noCache, report, reportMaxAge }: Omit<OperationOptions, 'signal'>) => ({
  ...(Number.isFinite(deadlineAt) && {
    [DEADLINE_HEADER]: String(Math.max(0, Math.ceil(deadlineAt - monotonicNow()))),
  }),
  ...(noCache && { 'cache-control': 'no-cache' }),
  ...(report && { [REPORT_HEADER]: report === 'trace' ? 'trace' : '1' }),
  ...(reportMaxAge && { [MAX_AGE_HEADER]: '1' }),
});

/** Decodes these headers. `timeoutMs` is the remaining time; undefined if the headers have no deadline. */
export const readOptionHeaders = (headers: Readonly<Record<string, unknown>>) => {
  const left = headers[DEADLINE_HEADER];
  return {
    timeoutMs: typeof left === 'string' && /^\d{1,9}$/.test(left) ? Number(left) : undefined,
    noCache: requestsNoCache(headers['cache-control']),
    report: readReportHeader(headers),
    reportMaxAge: headers[MAX_AGE_HEADER] === '1',
  };
};
