import { createCode, read } from './code.ts';
import { type Data, isData, own } from './data.ts';

/** Calls `visit` with every object at a path of the data. */
export type ObjectsAt = (data: Data, visit: (object: Data) => void) => void;

/** Compiles the way to the objects at a path: the fields' names, and `@` for every item of a list. */
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

/** The objects at a path in the order in which they are visited, each with its own path. For when something is to be told. */
export const locate = (data: Data, path: readonly string[]): { readonly object: Data; readonly path: Path }[] => {
  let found: { readonly value: unknown; readonly path: Path }[] = [{ value: data, path: [] }];
  for (const step of path) {
    found = found.flatMap(({ value, path: before }) => {
      if (step !== '@') return isData(value) ? [{ value: own(value, step), path: [...before, step] }] : [];
      return Array.isArray(value) ? value.map((item, index) => ({ value: item, path: [...before, index] })) : [];
    });
  }
  return found.flatMap(({ value, path: whole }) => (isData(value) ? [{ object: value, path: whole }] : []));
};
