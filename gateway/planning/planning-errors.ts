import { GraphQLError } from 'graphql';

/** The planner rejected an operation, or failed. */
export class PlannerError extends Error {
  override readonly name = 'PlannerError';
}

/** Creates the error for an operation that is too expensive to validate or plan. Nothing was executed. `detail` is a sentence. */
export const operationTooComplex = (detail: string, cause?: unknown): GraphQLError =>
  new GraphQLError(`The operation is too complex to plan. ${detail}`, {
    originalError: cause instanceof Error ? cause : null,
    extensions: { code: 'OPERATION_TOO_COMPLEX', http: { status: 400 } },
  });

/** Messages of Apollo's planner for an operation that exceeds one of its built-in limits. */
const PLANNER_LIMIT = /exceeds limit|reached the limit|[Tt]oo many|Exceeded maximum/;

/** Converts errors about the planner's built-in limits to OPERATION_TOO_COMPLEX. Returns other errors unchanged. */
export const toPlanningError = (error: unknown): unknown =>
  error instanceof Error && !(error instanceof GraphQLError) && PLANNER_LIMIT.test(error.message)
    ? operationTooComplex(`The planner's limit: ${error.message}.`, error)
    : error;
