import { isUpstreamError } from '../../connectors/errors.ts';

/**
 * Records loaded by the ids of a list, in order, without those that are gone. One that cannot be used stays as an Error in its
 * place, so that its neighbours arrive. Throws where no record could be loaded because the provider failed as a whole: one error for
 * the list says more than one for each.
 */
export const presentOf = <Item>(results: readonly (Item | Error | null)[]): (Item | Error)[] => {
  const [first] = results;
  const isOneFailure = first instanceof Error && results.every((result) => result === first);
  if (isOneFailure && (results.length > 1 || !isUpstreamError(first, 'UPSTREAM_BAD_RESPONSE'))) throw first;
  return results.filter((result) => result !== null);
};
