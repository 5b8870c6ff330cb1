import type { GraphQLError } from 'graphql';
import type { Path } from './execution.ts';

/** The errors of one execution. */
export type CollectedErrors = {
  /**
   * Adds the error that makes the response null at `path` (undefined: the root). Does nothing if that position or one
   * above it is null already: a field that was still running when its parent was nulled is no part of the response.
   */
  readonly add: (error: GraphQLError, path: Path | undefined) => void;
  readonly errors: readonly GraphQLError[];
};

export const createCollectedErrors = (): CollectedErrors => {
  const errors: GraphQLError[] = [];
  // By identity: objects and lists hand the one path of theirs to everything below.
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
