import { isUpstreamError } from '../../connectors/errors.ts';

/**
 * Returns the loaded records of a list in order, without deleted ones. An invalid record stays as an Error, so that it does not
 * fail the others. Throws if all records failed with the same error, so that the list gets one error instead of many.
 */
export const presentOf = <Item>(results: readonly (Item | Error | null)[]): (Item | Error)[] => {
  const [first] = results;
  const isOneFailure = first instanceof Error && results.every((result) => result === first);
  if (isOneFailure && (results.length > 1 || !isUpstreamError(first, 'UPSTREAM_BAD_RESPONSE'))) throw first;
  return results.filter((result) => result !== null);
};
