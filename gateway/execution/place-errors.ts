import type { GraphQLSchema } from 'graphql';
import { type Data, isData, own, setOwn } from './data.ts';
import { Failure, type FetchError } from './failure.ts';
import { collectFields, type Fragments, isSelected, subselectionsOf } from './selections.ts';
import type { SubgraphError } from './subgraph-request.ts';

/**
 * Puts a subgraph's errors at the nulls that they are the reason of: where their path ends, or where the null came up
 * to. Gives those that are the reason of no null. `isEntityList` tells the root fields whose items are entities.
 */
export const placeErrors = (
  data: Data,
  errors: readonly SubgraphError[],
  isEntityList: (name: string) => boolean,
): SubgraphError[] => errors.filter((error) => !placeError(data, error, isEntityList));

const placeError = (data: Data, error: SubgraphError, isEntityList: (name: string) => boolean): boolean => {
  const { message, extensions = {}, path = [] } = error;
  let container: unknown = data;
  for (const [depth, key] of path.entries()) {
    const value = valueAt(container, key);
    if (value === undefined && Array.isArray(container)) return false;
    if (value === null || value === undefined || value instanceof Failure) {
      const reason: FetchError = { message, extensions, path: path.slice(depth + 1) };
      const ofObject = depth === 1 && isEntityList(String(path[0]));
      if (value instanceof Failure) {
        value.add(reason);
        return true;
      }
      const failure = new Failure([reason], { ofObject });
      if (Array.isArray(container)) container[key as number] = failure;
      else if (isData(container)) setOwn(container, String(key), failure);
      else return false;
      return true;
    }
    container = value;
  }
  return false;
};

const valueAt = (container: unknown, key: string | number): unknown => {
  if (Array.isArray(container)) return typeof key === 'number' ? container[key] : undefined;
  return isData(container) ? own(container, String(key)) : undefined;
};

/** What a fetch would have given an object of a type: some of its fields, and theirs. */
export type Missing = {
  readonly schema: GraphQLSchema;
  readonly typename: string;
  readonly selections: Parameters<typeof collectFields>[2];
  readonly fragments: Fragments;
  readonly variables: Readonly<Record<string, unknown>>;
};

/** Puts a failure at each field of an object that a fetch should have given. What others gave of it stays. */
export const failFields = (object: Data, failure: Failure, missing: Missing): void => {
  const { schema, selections, fragments, variables } = missing;
  const own__typename = object['__typename'];
  const typename = typeof own__typename === 'string' ? own__typename : missing.typename;
  for (const [name, selected] of collectFields(schema, typename, selections, fragments)) {
    if (selected[0]?.node.name.value === '__typename' || !isSelected(selected, variables)) continue;
    const value = own(object, name);
    const deeper = subselectionsOf(selected);
    if (value === undefined) setOwn(object, name, failure);
    else if (deeper.length > 0) failWithin(value, failure.forDependent(), { ...missing, selections: deeper });
  }
};

const failWithin = (value: unknown, failure: Failure, missing: Missing): void => {
  if (Array.isArray(value)) for (const item of value) failWithin(item, failure, missing);
  else if (isData(value)) failFields(value, failure, missing);
};
