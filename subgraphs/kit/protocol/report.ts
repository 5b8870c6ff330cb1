import { z } from 'zod';
import { CALL_STATS_COLUMNS, type CallStatsRow, type Span } from '../../../connectors/call-stats.ts';
import { STALE_REASONS } from '../../../connectors/reads/reader.ts';
import type { StaleNote } from '../field.ts';
import type { RequestTelemetry } from '../request-options.ts';

/** The report on a response, in `extensions.tributary`. */
export type Report = {
  readonly stale?: readonly StaleNote[];
  readonly calls?: readonly CallStatsRow[];
  /** The individual provider requests and waits, with times since the start of the client request. */
  readonly spans?: readonly Span[];
  /** How much longer the response is fresh, in milliseconds; null if nothing in it expires. */
  readonly freshForMs?: number | null;
};

/** Creates the report; undefined if there is nothing to report. */
export const toReport = (
  stale: readonly StaleNote[],
  { callStats, freshness }: RequestTelemetry,
): Report | undefined => {
  if (stale.length === 0 && !callStats && !freshness) return undefined;
  return {
    ...(stale.length > 0 && { stale: mergeNotes(stale) }),
    ...(callStats && { calls: callStats.rows().map(toRoundedRow) }),
    ...(callStats?.spans && { spans: callStats.spans }),
    // JSON cannot represent Infinity.
    ...(freshness && { freshForMs: Number.isFinite(freshness.leftMs) ? freshness.leftMs : null }),
  };
};

/**
 * Merges notes with the same path and provider, since a value can be computed from several. The oldest age wins, and an outage
 * takes precedence over a refresh.
 */
const mergeNotes = (stale: readonly StaleNote[]): StaleNote[] => {
  const merged = new Map<string, StaleNote>();
  for (const note of stale) {
    const place = JSON.stringify([note.subgraph, note.path]);
    const other = merged.get(place) ?? note;
    merged.set(place, {
      ...note,
      ageMs: Math.max(note.ageMs, other.ageMs),
      reason: note.reason === 'REFRESHING' ? other.reason : note.reason,
    });
  }
  return [...merged.values()];
};

const toRoundedRow = (row: Readonly<CallStatsRow>): CallStatsRow => ({
  ...row,
  waitMs: Math.round(row.waitMs),
  timeMs: Math.round(row.timeMs),
});

const Path = z.array(z.union([z.string(), z.number()]));

const Stale = z.object({
  path: Path,
  subgraph: z.string(),
  ageMs: z.number(),
  // Of another version's reason no more is known than that something is wrong.
  reason: z.enum(STALE_REASONS).catch('UPSTREAM_UNAVAILABLE'),
});

const Row = z.object({
  subgraph: z.string(),
  operation: z.string(),
  ...Object.fromEntries(CALL_STATS_COLUMNS.map((column) => [column, z.number().default(0)])),
});

const CallSpan = z.object({
  subgraph: z.string(),
  operation: z.string(),
  kind: z.enum(['call', 'wait']),
  startMs: z.number(),
  timeMs: z.number(),
  isFailed: z.boolean(),
});

const Extensions = z
  .object({
    tributary: z
      .object({
        stale: z.array(Stale).default([]),
        calls: z.array(Row).default([]),
        spans: z.array(CallSpan).default([]),
        freshForMs: z.number().nonnegative().nullable().default(0),
      })
      .optional()
      .catch(undefined),
  })
  .optional()
  .catch(undefined);

type ReadReport = NonNullable<NonNullable<z.output<typeof Extensions>>['tributary']>;

const NO_REPORT: ReadReport = {
  stale: [],
  calls: [],
  spans: [],
  freshForMs: 0,
};

/** Reads the report in the extensions of a subgraph's response. */
export const readReport = (extensions: unknown): ReadReport =>
  (extensions ? Extensions.parse(extensions)?.tributary : undefined) ?? NO_REPORT;

/** Takes over what a subgraph has noted of its part of a request. Its times are since that part's start. */
export const mergeReport = ({ callStats, freshness }: RequestTelemetry, report: ReadReport, startMs: number): void => {
  for (const { subgraph, operation, ...row } of report.calls) callStats?.addRow(subgraph, operation, row);
  // One by one: as arguments of one call, 150,000 of them overflow the stack.
  for (const span of report.spans) callStats?.spans?.push({ ...span, startMs: span.startMs + startMs });
  if (freshness && report.freshForMs !== null) freshness.leftMs = Math.min(freshness.leftMs, report.freshForMs);
};
