import { createCode, isInherited, read } from './code.ts';
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
  for (const name in source) mergeInto(target, name, source[name]);
};

/** Writes the same for objects that have no other fields than these. */
export const createMerge = (names: readonly string[]): typeof merge => {
  const code = createCode();
  for (const name of names) {
    const key = JSON.stringify(name);
    const value = code.name('value');
    const slow = `${code.constant(mergeInto)}(target, ${key}, ${value});`;
    code.add(`const ${value} = ${read('source', name)};`);
    // The common case. An inherited name is never undefined, and is left to the other.
    if (isInherited(name)) code.add(`if (${value} !== undefined) ${slow}`);
    else {
      code.add(
        `if (${value} !== undefined) {`,
        `  const existing = target[${key}];`,
        `  if (existing === undefined) target[${key}] = ${value};`,
        `  else if (existing !== ${value}) ${slow}`,
        '}',
      );
    }
  }
  return code.toFunction('mergeFields', ['target', 'source'], 'undefined');
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
