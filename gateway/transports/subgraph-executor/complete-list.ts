import { GraphQLError, type GraphQLOutputType } from 'graphql';
import { type CompleteValue, type Field, isPromise, type Path, type Target } from './execution.ts';
import { compilePosition, type Position } from './position.ts';

/**
 * Compiles the completion of a field's lists, or of lists nested in them. `completeItem` completes their items, which are awaited
 * concurrently.
 */
export const compileList = (itemType: GraphQLOutputType, field: Field, completeItem: CompleteValue): CompleteValue => {
  const { definition, parentType } = field;
  const item = compilePosition(itemType, completeItem, field);

  /** Equivalent to `item.complete`, but faster: most items are not promises, and setting an index is faster than setting a key. */
  const executeItem = (...args: [...Parameters<Position['complete']>, index: number]): Promise<void> | undefined => {
    const [execution, value, path, info, target, index] = args;
    try {
      if (isPromise(value)) return item.complete(execution, value, path, info, target);
      const completed = completeItem(execution, value, path, info);
      if (completed instanceof Promise) return item.settle(execution, completed, path, target);
      target[index] = completed;
    } catch (error) {
      item.fail(execution, error, path, target);
    }
    return undefined;
  };

  return (execution, value, path, info) => {
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
        try {
          const later = executeItem(execution, one, itemPath, info, target, index);
          if (later) pending.push(later);
        } catch (error) {
          failure = { error };
        }
        index += 1;
      }
    } catch (error) {
      failure ??= { error };
    }
    if (!failure) return pending.length > 0 ? Promise.all(pending).then(() => target) : target;
    pending.forEach(ignore);
    throw failure.error;
  };
};

// Handles rejections of the remaining items of a failed list. Unhandled rejections would end the process.
const ignore = (value: unknown): void => {
  if (Array.isArray(value)) value.forEach(ignore);
  else if (isPromise(value)) value.then(ignore, () => {});
};

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  Symbol.iterator in value &&
  typeof value[Symbol.iterator] === 'function';
