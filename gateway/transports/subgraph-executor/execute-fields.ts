import { createCode, property } from '../../execution/code.ts';
import type { Execution, Path, Target } from './execution.ts';
import { setValue } from './position.ts';

/**
 * Executes one field of an object and sets its value in `target`. Returns a promise if that takes until later.
 * Throws, or rejects, if the field failed and cannot be null.
 */
export type ExecuteField = (
  execution: Execution,
  source: unknown,
  parentPath: Path | undefined,
  target: Target,
) => Promise<void> | undefined;

/** A field whose value is a property of its object, unless that is a method. */
export type PropertyField = {
  readonly name: string;
  readonly isNullable: boolean;
  /** Writes the expression that tests whether a value other than null is complete as it is. */
  readonly writeTest: (value: string) => string;
  /** Executes the field, other than for null where it may be null, with the value that was read from `source`. */
  readonly complete: (...given: [...Parameters<ExecuteField>, value: unknown]) => Promise<void> | undefined;
  /** Fails the field for the reason why its value could not be read. */
  readonly fail: (...given: [...Parameters<ExecuteField>, error: unknown]) => Promise<void> | undefined;
};

/** A compiled field of an object type. */
export type CompiledField = {
  readonly responseName: string;
  readonly execute: ExecuteField;
  readonly property?: PropertyField | undefined;
};

/** A field whose value is the same for all objects of a type. */
export type ConstantField = { readonly responseName: string; readonly constant: string };

/** Executes the fields of one object. Returns a promise only if one of them does. */
export type ExecuteFields = (execution: Execution, source: unknown, path: Path | undefined) => Target | Promise<Target>;

/**
 * Compiles the execution of an object's fields, all at the same time. Most fields are properties of their object, so the
 * function is made of text, which reads them by name: interpreting them took three times as long.
 */
export const compileFields = (fields: readonly (CompiledField | ConstantField)[]): ExecuteFields => {
  const code = createCode();
  const given = 'execution, source, path, target';
  const properties = fields.map((field) => property(field.responseName, writeInitial(field)));
  code.add(`const target = {${properties.join(', ')}};`, 'let pending;', 'try {');
  if (fields.some((field) => 'property' in field && field.property)) {
    const isObject = `typeof source === 'object' ? source !== null : typeof source === 'function'`;
    code.add(`const object = (${isObject}) ? source : ${code.constant(NO_PROPERTIES)};`);
  }
  const wait = (promise: string): void => {
    code.add(`const later = ${promise};`, 'if (later !== undefined) (pending ??= []).push(later);');
  };
  for (const field of fields) {
    if ('constant' in field) continue;
    if (!field.property) {
      code.add('{');
      wait(`${code.constant(field.execute)}(${given})`);
      code.add('}');
      continue;
    }
    const { name, isNullable, writeTest, complete, fail } = field.property;
    const label = code.name('field');
    code.add(
      `${label}: {`,
      'let value;',
      `try { value = object[${JSON.stringify(name)}]; }`,
      `catch (error) { ${code.constant(fail)}(${given}, error); break ${label}; }`,
      `if (${writeTest('value')}) { ${writeAssignment(field.responseName)}; break ${label}; }`,
      // It is null from the start.
      ...(isNullable ? [`if (value === null || value === undefined) break ${label};`] : []),
    );
    wait(`${code.constant(complete)}(${given}, value)`);
    code.add('}');
  }
  code.add(`} catch (error) { return ${code.constant(failAfter)}(pending, error); }`);
  const whenDone = `${code.constant(settleAll)}(pending, target)`;
  return code.toFunction('executeFields', ['execution', 'source', 'path'], `pending ? ${whenDone} : target`);
};

/** Compiles the execution of a mutation's fields, one after the other. */
export const compileSerialFields =
  (fields: readonly (CompiledField | ConstantField)[]): ExecuteFields =>
  async (execution, source, path) => {
    const target: Target = {};
    for (const field of fields) {
      if ('constant' in field) setValue(target, field.responseName, field.constant);
      else await field.execute(execution, source, path, target);
    }
    return target;
  };

/** Stands in for a source that is not an object: it has no properties. */
const NO_PROPERTIES: unknown = Object.freeze(Object.create(null));

const writeInitial = (field: CompiledField | ConstantField): string =>
  'constant' in field ? JSON.stringify(field.constant) : 'null';

/** Assigning to `__proto__` would do something else. */
const writeAssignment = (responseName: string): string =>
  responseName === '__proto__'
    ? `Object.defineProperty(target, '__proto__', { value })`
    : `target[${JSON.stringify(responseName)}] = value`;

const settleAll = async (pending: readonly Promise<void>[], target: Target): Promise<Target> => {
  await Promise.all(pending);
  return target;
};

/**
 * Fails an object: at once, or when the fields before the failing one are done. They may still add their errors, and none
 * of their rejections may go unhandled.
 */
const failAfter = (pending: readonly Promise<void>[] | undefined, error: unknown): Promise<never> => {
  if (!pending) throw error;
  const fail = (): Promise<never> => Promise.reject(error);
  return Promise.all(pending).then(fail, fail);
};
