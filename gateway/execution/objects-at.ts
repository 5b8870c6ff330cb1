import { createCode, read } from './code.ts';
import { type Data, getOwn, isData } from './data.ts';

/** Calls `visit` with every object at a path of the data. */
export type ObjectsAt = (data: Data, visit: (object: Data) => void) => void;

/** Compiles the traversal to the objects at a path of field names, with `@` for every list item. */
export const createObjectsAt = (path: readonly string[]): ObjectsAt => {
  const code = createCode();
  let current = 'data';
  let closing = '';
  for (const step of path) {
    const next = code.name('value');
    if (step === '@') {
      const index = code.name('index');
      code.add(
        `if (Array.isArray(${current})) for (let ${index} = 0; ${index} < ${current}.length; ${index}++) {`,
        `const ${next} = ${current}[${index}];`,
      );
    } else {
      code.add(
        `if (typeof ${current} === 'object' && ${current} !== null) {`,
        `const ${next} = ${read(current, step)};`,
      );
    }
    closing += '}';
    current = next;
  }
  const isObject = code.constant(isData);
  code.add(`if (${isObject}(${current})) visit(${current});`, closing);
  return code.toFunction('objectsAt', ['data', 'visit'], 'undefined');
};

export type Path = readonly (string | number)[];

/** Returns the objects at a path with their concrete paths, in visiting order. Slower than ObjectsAt; used for reporting only. */
export const locate = (data: Data, path: readonly string[]): { readonly object: Data; readonly path: Path }[] => {
  let found: { readonly value: unknown; readonly path: Path }[] = [{ value: data, path: [] }];
  for (const step of path) {
    found = found.flatMap(({ value, path: parentPath }) => {
      if (step !== '@') return isData(value) ? [{ value: getOwn(value, step), path: [...parentPath, step] }] : [];
      return Array.isArray(value) ? value.map((item, index) => ({ value: item, path: [...parentPath, index] })) : [];
    });
  }
  return found.flatMap(({ value, path: fullPath }) => (isData(value) ? [{ object: value, path: fullPath }] : []));
};
