import { z } from 'zod';
import {
  CALL_STATS_COLUMNS,
  type CallStatsEntry,
  type CallStatsRow,
  type Span,
} from '../../../connectors/call-stats.ts';
import { STALE_REASONS } from '../../../connectors/reads/reader.ts';
import type { StaleNote } from '../field.ts';
import type { RequestTelemetry } from '../request-options.ts';

const Note = z.object({
  path: z.array(z.union([z.string(), z.number()])),
  subgraph: z.string(),
  ageMs: z.number(),
  // A reason of another version means at least that something is wrong.
  reason: z.enum(STALE_REASONS).catch('UPSTREAM_UNAVAILABLE'),
});

const Figure = z.number().default(0);

const Row = z.object({
  subgraph: z.string(),
  operation: z.string(),
  ...(Object.fromEntries(CALL_STATS_COLUMNS.map((column) => [column, Figure])) as Record<
    keyof CallStatsEntry,
    typeof Figure
  >),
});

const CallSpan = z.object({
  subgraph: z.string(),
  operation: z.string(),
  kind: z.enum(['call', 'wait']),
  startMs: z.number(),
  timeMs: z.number(),
  isFailed: z.boolean(),
});

const listOf = <Entry>(entry: z.ZodType<Entry>) =>
  z.array(entry) as z.ZodType<unknown> as z.ZodType<readonly Entry[], readonly Entry[]>;

/** The report on a response, in `extensions.tributary`. */
const ReportSchema = z.object({
  stale: listOf<StaleNote>(Note).default([]),
  calls: listOf<CallStatsRow>(Row).default([]),
  /** The individual provider requests and waits, with times since the start of the operation. */
  spans: listOf<Span>(CallSpan).default([]),
  /** How much longer the response is fresh, in milliseconds; null if nothing in it expires. */
  freshForMs: z.number().nonnegative().nullable().default(0),
});

export type Report = z.output<typeof ReportSchema>;
export type WrittenReport = z.input<typeof ReportSchema>;

/** Creates the report for a response; undefined if there is nothing to report. */
export const writeReport = (
  stale: readonly StaleNote[],
  { callStats, freshness }: RequestTelemetry,
): WrittenReport | undefined => {
  if (stale.length === 0 && !callStats && !freshness) return undefined;
  const report: Required<WrittenReport> = {
    stale: stale.length > 0 ? mergeNotes(stale) : undefined,
    calls: callStats?.rows().map(toRoundedRow),
    spans: callStats?.spans,
    // JSON cannot represent Infinity.
    freshForMs: freshness && (Number.isFinite(freshness.leftMs) ? freshness.leftMs : null),
  };
  return report;
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

const Extensions = z
  .object({ tributary: ReportSchema.optional().catch(undefined) })
  .optional()
  .catch(undefined);

const NO_REPORT = ReportSchema.parse({});

/** Reads the report in the extensions of a subgraph's response. */
export const readReport = (extensions: unknown): Report =>
  (extensions ? Extensions.parse(extensions)?.tributary : undefined) ?? NO_REPORT;

/**
 * Adds the report of a subgraph to the telemetry of the client request. `startMs` is when the request to the subgraph began,
 * since the start of the client request.
 */
export const mergeReport = (
  { callStats, freshness }: RequestTelemetry,
  { calls, spans, freshForMs }: Report,
  startMs: number,
): void => {
  for (const { subgraph, operation, ...row } of calls) callStats?.addRow(subgraph, operation, row);
  for (const span of spans) callStats?.addSpan({ ...span, startMs: span.startMs + startMs });
  if (freshness && freshForMs !== null) freshness.leftMs = Math.min(freshness.leftMs, freshForMs);
};
