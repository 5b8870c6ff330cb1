import { isInherited } from './code.ts';
import { Failure } from './failure.ts';

/** What a subgraph answers and what answers are put together of: JSON, with failures in it. */
export type Data = { [name: string]: unknown };

export const isData = (value: unknown): value is Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Failure);

/** An own property; undefined for what is inherited. */
export const own = (object: Data, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Sets a property whatever its name: assigning to `__proto__` would do something else. */
export const setOwn = (object: Data, name: string, value: unknown): void => {
  if (isInherited(name)) {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else object[name] = value;
};

/** A deep copy, for an object that stands at several places and comes to differ between them. */
export const copy = <T>(value: T): T => {
  if (Array.isArray(value)) return value.map(copy) as T;
  if (!isData(value)) return value;
  const result: Data = {};
  for (const name of Object.keys(value)) setOwn(result, name, copy(value[name]));
  return result as T;
};

/** The property of an object that holds the failure for which its concrete type is unknown. */
export const TYPE_FAILURE = '__own_type_failure';
