import type { CallStatsRow, Span } from '../../../connectors/call-stats.ts';
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
