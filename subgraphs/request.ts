import type { CallOptions } from '../connectors/chain.ts';
import { createLedger, type Ledger, type LedgerRow } from '../connectors/ledger.ts';
import type { StaleNote } from './field.ts';

/** What a client, or the gateway for it, asks of the way an answer is come by. */
export type RequestTerms = {
  /** Ends when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** When the answer is due, in milliseconds since 1970. */
  readonly deadlineAt: number;
  /** Nothing from before the request will do. */
  readonly isFresh: boolean;
  /** The answer is to say what it has cost in provider calls. */
  readonly isReported: boolean;
};

/** What is told about an answer, in `extensions.tributary`. */
export type Report = { readonly stale?: readonly StaleNote[]; readonly calls?: readonly LedgerRow[] };

/** The options of all provider calls of one request, and its ledger where one is kept. */
export const createCallOptions = ({
  signal,
  deadlineAt,
  isFresh,
  isReported,
}: RequestTerms): { readonly call: CallOptions; readonly ledger: Ledger | undefined } => {
  const ledger = isReported ? createLedger() : undefined;
  return {
    ledger,
    call: {
      signal,
      standing: { deadlineAt, isBackground: false, flow: {} },
      ...(isFresh && { notBefore: Date.now() }),
      ...(ledger && { ledgers: new Set([ledger]) }),
    },
  };
};

/** What there is to tell, if anything. */
export const toReport = (stale: readonly StaleNote[], ledger: Ledger | undefined): Report | undefined => {
  if (stale.length === 0 && !ledger) return undefined;
  return {
    ...(stale.length > 0 && { stale: oldestOf(stale) }),
    ...(ledger && { calls: ledger.rows().map(inWholeNumbers) }),
  };
};

/** One note for each place and provider: a value can be made of several, and is as old as the oldest. */
const oldestOf = (stale: readonly StaleNote[]): StaleNote[] => {
  const oldest = new Map<string, StaleNote>();
  for (const note of stale) {
    const place = JSON.stringify([note.provider, note.path]);
    if (note.ageMs >= (oldest.get(place)?.ageMs ?? 0)) oldest.set(place, note);
  }
  return [...oldest.values()];
};

const inWholeNumbers = (row: Readonly<LedgerRow>): LedgerRow => ({
  ...row,
  waitMs: Math.round(row.waitMs),
  timeMs: Math.round(row.timeMs),
});

/*
 * Between a gateway and a subgraph over HTTP. A client's own are for the gateway, which sends what it allows of them.
 */

const DEADLINE = 'x-tributary-deadline-ms';
export const REPORT_HEADER = 'x-tributary-report';

/** Whether a client wants nothing that was kept: `Cache-Control: no-cache`. */
export const asksForFresh = (cacheControl: unknown): boolean =>
  typeof cacheControl === 'string' && /(^|[\s,])no-cache($|[\s,])/i.test(cacheControl);

/** The headers by which a subgraph is told a request's terms. */
export const toTermHeaders = ({ deadlineAt, isFresh, isReported }: Omit<RequestTerms, 'signal'>) => ({
  ...(Number.isFinite(deadlineAt) && { [DEADLINE]: String(Math.max(0, Math.ceil(deadlineAt - Date.now()))) }),
  ...(isFresh && { 'cache-control': 'no-cache' }),
  ...(isReported && { [REPORT_HEADER]: '1' }),
});

/** Reads them back: the time that is left in milliseconds, undefined where nothing is said. */
export const readTermHeaders = (headers: Readonly<Record<string, unknown>>) => {
  const left = headers[DEADLINE];
  return {
    timeoutMs: typeof left === 'string' && /^\d{1,9}$/.test(left) ? Number(left) : undefined,
    isFresh: asksForFresh(headers['cache-control']),
    isReported: headers[REPORT_HEADER] === '1',
  };
};
