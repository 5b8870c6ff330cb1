import { isInherited } from './code.ts';
import { Failure } from './failure.ts';

/** Response data, of one subgraph or merged: JSON with Failure values in it. */
export type Data = { [name: string]: unknown };

export const isData = (value: unknown): value is Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Failure);

/** Returns an own property. Undefined for inherited properties. */
export const getOwn = (object: Data, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Sets an own property of any name. Assigning to `__proto__` would set the prototype instead. */
export const setOwn = (object: Data, name: string, value: unknown): void => {
  if (isInherited(name)) {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else object[name] = value;
};

/** Copies a value deeply, for an object that appears at several paths and can differ between them. */
export const deepCopy = <T>(value: T): T => {
  if (Array.isArray(value)) return value.map(deepCopy) as T;
  if (!isData(value)) return value;
  const result: Data = {};
  for (const name of Object.keys(value)) setOwn(result, name, deepCopy(value[name]));
  return result as T;
};

/** Property of an object that holds the failure because of which its concrete type is unknown. */
export const TYPE_FAILURE = '__own_type_failure';
