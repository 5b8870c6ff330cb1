import { isDeepStrictEqual } from 'node:util';
import { type Data, isData, own, setOwn } from './data.ts';
import { Failure } from './failure.ts';

/**
 * Puts the data of an operation's parts together, in the first. False where they are not of the same objects: each part
 * was read by itself, and what it was read from may have changed in between. What `required` names differs between
 * parts by their nature, and nobody reads it any more.
 */
export const mergeParts = ([first, ...others]: readonly Data[], required: ReadonlySet<string>): boolean => {
  const mergePart = (target: Data, source: Data): boolean =>
    Object.keys(source).every((name) => {
      const existing = own(target, name);
      const value = source[name];
      if (existing === undefined) setOwn(target, name, value);
      return existing === undefined || value === undefined || required.has(name) || isSame(existing, value);
    });
  const isSame = (existing: unknown, value: unknown): boolean => {
    if (existing instanceof Failure || value instanceof Failure) return true;
    if (isData(existing) && isData(value)) return mergePart(existing, value);
    if (!Array.isArray(existing) || !Array.isArray(value)) return isDeepStrictEqual(existing, value);
    return existing.length === value.length && existing.every((item, index) => isSame(item, value[index]));
  };
  return first === undefined || others.every((other) => mergePart(first, other));
};
