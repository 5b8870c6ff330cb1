import { z } from 'zod';
import { STALE_REASONS } from '../../../connectors/reads/reader.ts';
import { CALL_STATS_COLUMNS, type CallStatsEntry, MAX_SPANS, type Span } from '../../../telemetry/call-stats.ts';
import type { CallStatsRow } from '../../../telemetry/call-stats-row.ts';
import { MAX_OPERATIONS } from '../../../telemetry/max-operations.ts';
import type { StaleNote } from '../field.ts';
import type { RequestTelemetry } from '../request-options.ts';
import { isResponsePath, type ResponsePath } from './path.ts';

/** Maximum number of notes about stale values in one report. Further ones are omitted. */
export const MAX_STALE_NOTES = 10_000;

/*
 * A subgraph may be operated by a third party. Invalid entries are omitted, and an invalid field counts as absent.
 */

const Name = z.string().max(256);

// Sums of these stay finite.
const Figure = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

const Note = z.object({
  path: z.custom<ResponsePath>(isResponsePath),
  subgraph: Name,
  ageMs: Figure,
  // A reason of another version means at least that something is wrong.
  reason: z.enum(STALE_REASONS).catch('UPSTREAM_UNAVAILABLE'),
});

const Column = Figure.default(0);

const Row = z.object({
  subgraph: Name,
  operation: Name,
  ...(Object.fromEntries(CALL_STATS_COLUMNS.map((column) => [column, Column])) as Record<
    keyof CallStatsEntry,
    typeof Column
  >),
});

const CallSpan = z.object({
  subgraph: Name,
  operation: Name,
  kind: z.enum(['call', 'wait']),
  startMs: Figure,
  timeMs: Figure,
  isFailed: z.boolean(),
});

/** A list of which the first `maxLength` entries are read: validating a million of them takes seconds. */
const listOf = <Entry>(entry: z.ZodType<Entry>, maxLength: number) => {
  const entries = z.array(entry.optional().catch(undefined));
  return z
    .custom<readonly Entry[]>()
    .optional()
    .transform((list): readonly Entry[] => {
      if (!Array.isArray(list)) return [];
      return entries.parse(list.slice(0, maxLength)).filter((one) => one !== undefined);
    });
};

/** The report on a response, in `extensions.tributary`. */
const ReportSchema = z.object({
  stale: listOf<StaleNote>(Note, MAX_STALE_NOTES),
  calls: listOf<CallStatsRow>(Row, MAX_OPERATIONS),
  /** Of an event of a subscription: the calls of the decisions whether events pass the filter, since the last one that did. */
  decisions: listOf<CallStatsRow>(Row, MAX_OPERATIONS),
  /** The individual provider requests and waits, with times since the start of the operation. */
  spans: listOf<Span>(CallSpan, MAX_SPANS),
  /** How much longer the response is fresh, in milliseconds; null if nothing in it expires. */
  freshForMs: z.number().nonnegative().nullable().default(0).catch(0),
});

export type Report = z.output<typeof ReportSchema>;
export type WrittenReport = z.input<typeof ReportSchema>;

/** Creates the report for a response; undefined if there is nothing to report. Without `callStats`, it has no calls. */
export const writeReport = (
  stale: readonly StaleNote[],
  { callStats, freshness }: Partial<RequestTelemetry>,
  decisions: readonly Readonly<CallStatsRow>[] = [],
): WrittenReport | undefined => {
  if (stale.length === 0 && !callStats && !freshness) return undefined;
  const report: Required<WrittenReport> = {
    stale: stale.length > 0 ? mergeNotes(stale) : undefined,
    calls: callStats?.rows().map(toRoundedRow),
    decisions: callStats && decisions.length > 0 ? decisions.map(toRoundedRow) : undefined,
    spans: callStats?.spans,
    // JSON cannot represent Infinity.
    freshForMs: freshness && (Number.isFinite(freshness.leftMs) ? freshness.leftMs : null),
  };
  return report;
};

/**
 * Merges notes with the same path and subgraph, since a value can be computed from several. The oldest age wins, and an
 * outage takes precedence over a refresh.
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

const Extensions = z.object({ tributary: ReportSchema });

const NO_REPORT = ReportSchema.parse({});

/**
 * Reads the report in the extensions of a subgraph's response. Its entries get the subgraph's name in the supergraph: a
 * subgraph cannot report in the name of another.
 */
export const readReport = (extensions: unknown, subgraph: string): Report => {
  const report = extensions === undefined ? undefined : Extensions.safeParse(extensions).data?.tributary;
  if (!report) return NO_REPORT;
  const rename = <Entry>(entry: Entry) => ({ ...entry, subgraph });
  return {
    ...report,
    stale: report.stale.map(rename),
    calls: report.calls.map(rename),
    decisions: report.decisions.map(rename),
    spans: report.spans.map(rename),
  };
};

/**
 * Adds a subgraph's report to the telemetry of the client request. `startMs` is the start of the request to the subgraph,
 * since the start of the client request.
 */
export const mergeReport = (
  { callStats, freshness }: RequestTelemetry,
  { calls, spans, freshForMs }: Report,
  startMs: number,
): void => {
  for (const { subgraph, operation, ...row } of calls) callStats.addRow(subgraph, operation, row);
  for (const span of spans) callStats.addSpan({ ...span, startMs: span.startMs + startMs });
  if (freshness && freshForMs !== null) freshness.leftMs = Math.min(freshness.leftMs, freshForMs);
};
