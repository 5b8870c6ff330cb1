import { GraphQLError } from 'graphql';

/** The planner refused an operation, or failed. */
export class PlannerError extends Error {
  override readonly name = 'PlannerError';
}

/** Error for an operation that costs too much to validate or plan. Nothing of it was executed. */
export const tooComplex = (why: string, cause?: unknown): GraphQLError =>
  new GraphQLError(`The operation is too complex to plan. ${why}`, {
    originalError: cause instanceof Error ? cause : null,
    extensions: { code: 'OPERATION_TOO_COMPLEX', http: { status: 400 } },
  });

/** How Apollo's planner says that an operation is over one of its own limits. */
const PLANNER_LIMIT = /exceeds limit|reached the limit|[Tt]oo many|Exceeded maximum/;

/** Turns what the planner throws for its own limits into OPERATION_TOO_COMPLEX; returns anything else as it is. */
export const toPlanningError = (error: unknown): unknown =>
  error instanceof Error && !(error instanceof GraphQLError) && PLANNER_LIMIT.test(error.message)
    ? tooComplex(`The planner's limit: ${error.message}.`, error)
    : error;
