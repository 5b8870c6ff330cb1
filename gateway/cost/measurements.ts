import { LRUCache } from 'lru-cache';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import type { Measurements, OperationCalls } from './calls.ts';

/** What is measured of requests, for the estimates of later ones. */
export type Recorder = Measurements & {
  /** Records the provider calls of a request. */
  readonly recordCalls: (rows: readonly Readonly<CallStatsRow>[]) => void;
  /** Records how many objects a field returned. See `fanOutKey`. */
  readonly recordFanOut: (key: string, objects: number) => void;
};

/** A mean that follows changes: the weight of a value halves with about every 70 later ones. */
type Mean = { values: number; mean: number };

/** Number of values from which a new one counts a hundredth. */
const MAX_WEIGHT = 100;

const withValue = (entry: Mean | undefined, value: number): Mean => {
  const values = Math.min(MAX_WEIGHT, (entry?.values ?? 0) + 1);
  const mean = entry?.mean ?? 0;
  return { values, mean: mean + (value - mean) / values };
};

/** Maximum number of fields, and of provider operations, that are measured. The least recently used are forgotten. */
const MAX_ENTRIES = 5_000;

export const createMeasurements = (): Recorder => {
  const fanOuts = new LRUCache<string, Mean>({ max: MAX_ENTRIES });
  const hitRates = new LRUCache<string, Mean>({ max: MAX_ENTRIES });
  return {
    fanOutOf: (key) => fanOuts.get(key)?.mean,
    hitRateOf: (subgraph, operation) => hitRates.get(`${subgraph} ${operation}`)?.mean ?? 0,
    recordCalls: (rows) => {
      for (const { subgraph, operation, hits, stale, misses } of rows) {
        const keys = hits + stale + misses;
        const key = `${subgraph} ${operation}`;
        if (keys > 0) hitRates.set(key, withValue(hitRates.get(key), (hits + stale) / keys));
      }
    },
    recordFanOut: (key, objects) => {
      fanOuts.set(key, withValue(fanOuts.get(key), objects));
    },
  };
};

/** Corrects the expected calls of one operation by those that it has made. */
export type Calibration = {
  readonly record: (estimated: readonly OperationCalls[], rows: readonly Readonly<CallStatsRow>[]) => void;
  readonly correct: (estimated: readonly OperationCalls[]) => readonly OperationCalls[];
};

/** Decay of the sums with each request: about the last fifty count. */
const DECAY = 0.98;

/** The number of requests that an estimate without measurements counts as. */
const PRIOR = 2;

/**
 * Creates the calibration of one operation. The ratio of calls made to calls estimated without a cache corrects an estimate, so
 * that it also holds for other variables. Where no calls were estimated, the mean of those made replaces it.
 */
export const createCalibration = (): Calibration => {
  const sums = new Map<string, { actual: number; estimated: number; requests: number }>();
  const keyOf = ({ subgraph, operation }: { subgraph: string; operation: string }) => `${subgraph} ${operation}`;
  return {
    record: (estimated, rows) => {
      const calls = new Map(rows.map((row) => [keyOf(row), row.calls]));
      for (const one of estimated) {
        const key = keyOf(one);
        const sum = sums.get(key) ?? { actual: 0, estimated: 0, requests: 0 };
        sums.set(key, {
          actual: DECAY * sum.actual + (calls.get(key) ?? 0),
          estimated: DECAY * sum.estimated + one.expectedUncached,
          requests: DECAY * sum.requests + 1,
        });
      }
    },
    correct: (estimated) =>
      estimated.map((one) => {
        const sum = sums.get(keyOf(one));
        if (!sum) return one;
        const ratio = (sum.actual + PRIOR * one.expected) / (sum.estimated + PRIOR * one.expectedUncached);
        const expected = one.expectedUncached > 0 ? one.expectedUncached * ratio : sum.actual / (sum.requests + PRIOR);
        return { ...one, expected: Math.min(one.atMost, Math.max(one.atLeast, expected)) };
      }),
  };
};
