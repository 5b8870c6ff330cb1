import type { GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import type { Fragments } from '../execution/selections.ts';
import type { OperationCost } from './calls.ts';
import { type CallEstimateOptions, createCallEstimate, type EstimateInput } from './estimate-calls.ts';
import { measureFanOut } from './measure-fan-out.ts';
import { createCalibration, type Recorder } from './measurements.ts';

/** The provider calls of one operation: estimated before each request, and measured after it. */
export type OperationCallCosts = {
  /** Estimates a request. Only `expected` changes with what was measured; it is memoized for a while. */
  readonly estimate: (input: EstimateInput) => OperationCost;
  /** Estimates a request by what has been measured up to now. */
  readonly estimateNow: (input: EstimateInput) => OperationCost;
  /** Records what a request has cost and returned. */
  readonly record: (input: EstimateInput, rows: readonly Readonly<CallStatsRow>[], data: unknown) => void;
};

export type OperationCallOptions = Omit<CallEstimateOptions, 'measurements'> & {
  readonly measurements: Recorder;
  /** The public schema, and the operation as the client's data has its fields. */
  readonly apiSchema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
};

/** The first requests are all measured, later ones at most once in so many milliseconds: measuring costs as much as estimating. */
const MEASURED_FIRST = 100;
const MEASURE_EVERY_MS = 1_000;

/** Maximum number of estimates that are kept for different variables, and maximum length of what tells these apart. */
const MAX_ESTIMATES = 16;
const MAX_KEY_LENGTH = 1_000;

export const createOperationCalls = (options: OperationCallOptions): OperationCallCosts => {
  const { apiSchema: schema, operation, fragments, measurements, costDirectives } = options;
  const estimate = createCallEstimate(options);
  const calibration = createCalibration();
  const known = new Map<string, OperationCost>();
  let requests = 0;
  let measuredAt = 0;
  const estimateNow = (input: EstimateInput): OperationCost => {
    const cost = estimate(input);
    return cost.withExpected(calibration.correct(cost.operations));
  };
  return {
    estimateNow,
    estimate: (input) => {
      const key = `${input.isCustomer} ${input.noCache} ${shapeOf(input.variables, 3)}`;
      const earlier = known.get(key);
      if (earlier) return earlier;
      // A custom scalar can be an object with any number of names.
      if (key.length > MAX_KEY_LENGTH) return estimateNow(input);
      if (known.size >= MAX_ESTIMATES) known.clear();
      const cost = estimateNow(input);
      known.set(key, cost);
      return cost;
    },
    record: (input, rows, data) => {
      requests += 1;
      const at = monotonicNow();
      if (requests > MEASURED_FIRST && at - measuredAt < MEASURE_EVERY_MS) return;
      measuredAt = at;
      measurements.recordCalls(rows);
      calibration.record(estimate(input).operations, rows);
      measureFanOut(
        { schema, costDirectives, operation, fragments, record: measurements.recordFanOut },
        input.variables,
        data,
      );
      // What was just measured counts for the next estimate.
      known.clear();
    },
  };
};

/** Returns the part of a value that can affect an estimate, as text: numbers, booleans, lengths, and whether there is anything. */
const shapeOf = (value: unknown, depth: number): string => {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.length}]`;
  if (typeof value !== 'object' || value === null || depth === 0) return value ? '*' : '-';
  let shape = '{';
  // GraphQL names contain no colons.
  for (const name in value)
    shape += `${name}:${shapeOf((value as Readonly<Record<string, unknown>>)[name], depth - 1)},`;
  return `${shape}}`;
};
