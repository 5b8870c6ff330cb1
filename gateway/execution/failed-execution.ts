import { GraphQLError } from 'graphql';
import { toAbortError } from '../../subgraphs/kit/limits/timed-out.ts';
import type { ClientOperation } from './client-operation.ts';
import { conditionVariables } from './conditions.ts';
import type { ExecutionResponse } from './program.ts';
import { UnsupportedOperation } from './split.ts';
import { UnsupportedPlan } from './steps.ts';

/** Returns a variable of `@skip` or `@include` that is null. The specification allows null if the variable has a default. */
export const findNullCondition = (
  { document }: ClientOperation,
  coerced: Readonly<Record<string, unknown>>,
): string | undefined =>
  Object.values(coerced).includes(null)
    ? conditionVariables(document).find((name) => coerced[name] === null)
    : undefined;

export const nullConditionError = (variable: string): GraphQLError =>
  new GraphQLError(`Variable "$${variable}" must not be null where @skip or @include depends on it.`, {
    extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } },
  });

/** The response to a mutation that was sent but whose result could not be assembled. */
export const outcomeUnknown = (): ExecutionResponse => ({
  errors: [
    {
      message: 'The outcome of the mutation is unknown: its response could not be assembled. Check before you retry.',
      extensions: { code: 'UPSTREAM_OUTCOME_UNKNOWN' },
    },
  ],
  stale: [],
});

/** The response to an operation that cannot be compiled. Rethrows internal errors. */
export const toErrorResponse = (error: unknown): ExecutionResponse => {
  const errorResponse = (message: string, code: string): ExecutionResponse => ({
    errors: [{ message, extensions: { code } }],
    stale: [],
  });
  if (error instanceof GraphQLError) return { errors: [error], stale: [] };
  if (error instanceof UnsupportedOperation || error instanceof UnsupportedPlan) {
    return errorResponse(error.message, 'OPERATION_UNRESOLVABLE');
  }
  // The planner and the compiler are recursive. V8's stack overflows at about a thousand levels.
  if (error instanceof RangeError)
    return errorResponse('The operation is nested too deeply.', 'GRAPHQL_VALIDATION_FAILED');
  throw error;
};

/** The response to an operation that failed, or whose request was aborted. Rethrows internal errors. */
export const toFailure = (error: unknown, signal: AbortSignal | undefined): ExecutionResponse =>
  toErrorResponse(signal?.aborted && error === signal.reason ? toAbortError(signal) : error);
