import type { GraphQLError } from 'graphql';
import type { Path } from './execution.ts';

/** Collects the errors of one execution. */
export type CollectedErrors = {
  /**
   * Adds the error that makes the response null at `path` (undefined: the root). Does nothing if that position or an ancestor
   * is already null: a field that was still running when its parent became null is not part of the response.
   */
  readonly add: (error: GraphQLError, path: Path | undefined) => void;
  readonly errors: readonly GraphQLError[];
};

export const createCollectedErrors = (): CollectedErrors => {
  const errors: GraphQLError[] = [];
  // Compared by identity: all children of an object or a list share its path object.
  const nulled = new Set<Path | undefined>();
  const isNulled = (path: Path | undefined): boolean => {
    for (let step = path; step; step = step.prev) if (nulled.has(step)) return true;
    return nulled.has(undefined);
  };
  return {
    add: (error, path) => {
      if (isNulled(path)) return;
      nulled.add(path);
      errors.push(error);
    },
    errors,
  };
};
