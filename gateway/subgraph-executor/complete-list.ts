import { GraphQLError, type GraphQLOutputType } from 'graphql';
import { type CompleteValue, compileValue } from './complete-value.ts';
import { type Field, isPromise, type Path, type Target } from './execution.ts';
import { compilePosition } from './position.ts';
import type { SelectFields } from './select-fields.ts';

/** Compiles the completion of a field's lists, or of the lists in them. Items are awaited at the same time. */
export const compileList = (itemType: GraphQLOutputType, field: Field, selectFields: SelectFields): CompleteValue => {
  const { definition, parentType } = field;
  const item = compilePosition(itemType, compileValue(itemType, field, selectFields), field);
  return (execution, value, path, fieldPath) => {
    if (!isIterable(value)) {
      throw new GraphQLError(
        `Expected Iterable, but did not find one for field "${parentType.name}.${definition.name}".`,
      );
    }
    const target: unknown[] & Target = Object.assign([]);
    const pending: Promise<void>[] = [];
    let failure: { readonly error: unknown } | undefined;
    try {
      let index = 0;
      for (const one of value) {
        if (failure) {
          ignore(one);
          continue;
        }
        const itemPath: Path = { prev: path, key: index, typename: undefined };
        index += 1;
        try {
          const promise = item.complete(execution, one, itemPath, fieldPath, target);
          if (promise) pending.push(promise);
        } catch (error) {
          failure = { error };
        }
      }
    } catch (error) {
      failure ??= { error };
    }
    if (!failure) return pending.length > 0 ? Promise.all(pending).then(() => target) : target;
    pending.forEach(ignore);
    throw failure.error;
  };
};

// The list has failed, so nobody waits for its other items. A rejection that nobody handles would end the process.
const ignore = (value: unknown): void => {
  if (Array.isArray(value)) value.forEach(ignore);
  else if (isPromise(value)) value.then(ignore, () => {});
};

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  Symbol.iterator in value &&
  typeof value[Symbol.iterator] === 'function';
