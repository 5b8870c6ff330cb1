import {
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  isNonNullType,
  locatedError,
  responsePathAsArray,
} from 'graphql';
import { type CompleteValue, type Execution, type Field, isPromise, type Path, type Target } from './execution.ts';

/** A position in the response: a field of an object or an item of a list. The last key of its path is its key in `target`. */
export type Position = {
  /**
   * Awaits and completes a value, and sets it in `target`. Returns a promise if the value is asynchronous.
   * Throws or rejects if the value failed and the position cannot be null, so that its parent fails.
   */
  readonly complete: (
    execution: Execution,
    value: unknown,
    path: Path,
    info: GraphQLResolveInfo,
    target: Target,
  ) => Promise<void> | undefined;
  /** Sets a completed value when it resolves. Rejects like `complete`. */
  readonly settle: (execution: Execution, completed: Promise<unknown>, path: Path, target: Target) => Promise<void>;
  /** Records an error and sets the position to null. Throws the error if the position cannot be null. */
  readonly fail: (execution: Execution, error: unknown, path: Path, target: Target) => void;
};

/** Compiles a position of a type. `completeValue` completes its values. */
export const compilePosition = (type: GraphQLOutputType, completeValue: CompleteValue, { nodes }: Field): Position => {
  const isNonNull = isNonNullType(type);

  const fail: Position['fail'] = (execution, error, path, target) => {
    const located = locatedError(error, nodes, responsePathAsArray(path));
    if (isNonNull) throw located;
    execution.errors.add(located, path);
    setValue(target, path.key, null);
  };

  const settle: Position['settle'] = (execution, completed, path, target) =>
    completed.then(
      (value) => setValue(target, path.key, value),
      (error) => fail(execution, error, path, target),
    );

  /** Completes a resolved value. */
  const completeNow: Position['complete'] = (execution, value, path, info, target) => {
    try {
      const completed = completeValue(execution, value, path, info);
      if (completed instanceof Promise) return settle(execution, completed, path, target);
      setValue(target, path.key, completed);
    } catch (error) {
      fail(execution, error, path, target);
    }
    return undefined;
  };

  const complete: Position['complete'] = (execution, value, path, info, target) => {
    let isAsync: boolean;
    try {
      isAsync = isPromise(value);
    } catch (error) {
      fail(execution, error, path, target);
      return undefined;
    }
    if (!isAsync) return completeNow(execution, value, path, info, target);
    return Promise.resolve(value).then(
      (resolved) => completeNow(execution, resolved, path, info, target),
      (error) => fail(execution, error, path, target),
    );
  };

  return { complete, settle, fail };
};

/** Sets a value of an object or a list under any key. Assigning to `__proto__` would set the prototype instead. */
export const setValue = (target: Target, key: string | number, value: unknown): void => {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else target[key] = value;
};
