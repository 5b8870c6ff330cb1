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

/**
 * Puts what one fetch gave for an object to what others gave for it. Objects that both have are merged, and lists of
 * the same length item by item; otherwise the newer value stands, unless it is a failure.
 */
export const merge = (target: Data, source: Data): void => {
  for (const name in source) {
    const value = source[name];
    const existing = target[name];
    // The common case, and safe for every name: what is inherited is not undefined.
    if (existing === undefined) target[name] = value;
    else if (existing !== value) mergeInto(target, name, value);
  }
};

const mergeInto = (target: Data, name: string, value: unknown): void => {
  const existing = own(target, name);
  if (value === undefined || (value instanceof Failure && existing !== undefined)) return;
  if (isData(existing) && isData(value)) merge(existing, value);
  else if (Array.isArray(existing) && Array.isArray(value) && existing.length === value.length) {
    mergeLists(existing, value);
  } else setOwn(target, name, value);
};

const mergeLists = (target: unknown[], source: readonly unknown[]): void => {
  for (const [index, value] of source.entries()) {
    const existing = target[index];
    if (isData(existing) && isData(value)) merge(existing, value);
    else if (Array.isArray(existing) && Array.isArray(value) && existing.length === value.length) {
      mergeLists(existing, value);
    } else if (!(value instanceof Failure)) target[index] = value;
  }
};
