import { isDeepStrictEqual } from 'node:util';
import { type Data, isData, own, setOwn } from './data.ts';
import { Failure } from './failure.ts';
import { combineFailure, type MergeRun } from './merge.ts';

/**
 * Puts the data of an operation's parts together, in the first. False where they are not of the same objects: each part
 * was read by itself, and what it was read from may have changed in between. What `required` names differs between
 * parts by their nature, and nobody reads it any more. Where a part failed, what another has for the place stays.
 */
export const mergeParts = (
  [first, ...others]: readonly Data[],
  required: ReadonlySet<string>,
  run: MergeRun,
): boolean => {
  const mergePart = (target: Data, source: Data): boolean =>
    Object.keys(source).every((name) => {
      const existing = own(target, name);
      const value = source[name];
      if (existing === undefined) setOwn(target, name, value);
      if (existing === undefined || value === undefined || required.has(name)) return true;
      return mergeValue(existing, value, name, (merged) => setOwn(target, name, merged));
    });
  const mergeValue = (
    existing: unknown,
    value: unknown,
    key: string | number,
    set: (merged: unknown) => void,
  ): boolean => {
    if (existing instanceof Failure) set(combineFailure(value, existing, key, run));
    else if (value instanceof Failure) set(combineFailure(existing, value, key, run));
    else if (isData(existing) && isData(value)) return mergePart(existing, value);
    else if (!Array.isArray(existing) || !Array.isArray(value)) return isDeepStrictEqual(existing, value);
    else {
      const list = existing;
      return (
        list.length === value.length &&
        list.every((item, index) =>
          mergeValue(item, value[index], index, (merged) => {
            list[index] = merged;
          }),
        )
      );
    }
    return true;
  };
  return first === undefined || others.every((other) => mergePart(first, other));
};
