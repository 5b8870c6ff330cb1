import { isDeepStrictEqual } from 'node:util';
import { type Data, getOwn, isData, setOwn } from './data.ts';
import { Failure } from './failure.ts';
import { combineFailure, type MergeRun } from './merge.ts';

/**
 * Merges the data of an operation's parts into the first one. Returns false if the parts are not of the same objects: each part
 * is fetched separately, and the data may have changed in between.
 *
 * Fields named in `required` legitimately differ between parts and are no longer needed. Where one part failed, the value of
 * another part wins.
 */
export const mergeParts = (
  [first, ...others]: readonly Data[],
  required: ReadonlySet<string>,
  run: MergeRun,
): boolean => {
  const mergePart = (target: Data, source: Data): boolean =>
    Object.keys(source).every((name) => {
      const existing = getOwn(target, name);
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
