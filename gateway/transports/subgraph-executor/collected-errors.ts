import type { GraphQLError } from 'graphql';
import type { CollectedErrors, Path } from './execution.ts';

/** Creates an empty collection. */
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
