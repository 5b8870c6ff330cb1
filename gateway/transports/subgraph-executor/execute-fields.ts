import { createCode, property } from '../../execution/code.ts';
import type { ExecuteFields, Execution, Path, Target } from './execution.ts';
import { setValue } from './position.ts';

/**
 * Executes one field of an object and sets its value in `target`. Returns a promise if the field is asynchronous.
 * Throws or rejects if the field failed and cannot be null.
 */
export type ExecuteField = (
  execution: Execution,
  source: unknown,
  parentPath: Path | undefined,
  target: Target,
) => Promise<void> | undefined;

/** A field whose value is a property of its object, unless the property is a method. */
export type PropertyField = {
  readonly name: string;
  readonly isNullable: boolean;
  /** Writes the expression that tests whether a non-null value needs no serialization. */
  readonly writeTest: (value: string) => string;
  /** Executes the field with the value read from `source`. Not called for null if the field is nullable. */
  readonly complete: (...args: [...Parameters<ExecuteField>, value: unknown]) => Promise<void> | undefined;
  /** Fails the field with the error thrown when reading its value. */
  readonly fail: (...args: [...Parameters<ExecuteField>, error: unknown]) => Promise<void> | undefined;
};

/** A compiled field of an object type. */
export type CompiledField = {
  readonly responseName: string;
  readonly execute: ExecuteField;
  readonly property?: PropertyField | undefined;
};

/** A field whose value is the same for all objects of a type. */
export type ConstantField = { readonly responseName: string; readonly constant: string };

/**
 * Compiles the concurrent execution of an object's fields. Most fields are properties of their object, so the function is
 * generated from source text that reads them by name. Interpreting them took three times as long.
 */
export const compileFields = (fields: readonly (CompiledField | ConstantField)[]): ExecuteFields => {
  const code = createCode();
  const args = 'execution, source, path, target';
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
      wait(`${code.constant(field.execute)}(${args})`);
      code.add('}');
      continue;
    }
    const { name, isNullable, writeTest, complete, fail } = field.property;
    const label = code.name('field');
    code.add(
      `${label}: {`,
      'let value;',
      `try { value = object[${JSON.stringify(name)}]; }`,
      `catch (error) { ${code.constant(fail)}(${args}, error); break ${label}; }`,
      `if (${writeTest('value')}) { ${writeAssignment(field.responseName)}; break ${label}; }`,
      // The target is initialized with null.
      ...(isNullable ? [`if (value === null || value === undefined) break ${label};`] : []),
    );
    wait(`${code.constant(complete)}(${args}, value)`);
    code.add('}');
  }
  code.add(`} catch (error) { return ${code.constant(failAfter)}(pending, error); }`);
  const whenDone = `${code.constant(settleAll)}(pending, target)`;
  return code.toFunction('executeFields', ['execution', 'source', 'path'], `pending ? ${whenDone} : target`);
};

/** Compiles the serial execution of a mutation's fields. */
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

/** Replaces a source that is not an object. */
const NO_PROPERTIES: unknown = Object.freeze(Object.create(null));

const writeInitial = (field: CompiledField | ConstantField): string =>
  'constant' in field ? JSON.stringify(field.constant) : 'null';

/** Writes the assignment of a field. Assigning to `__proto__` would set the prototype instead. */
const writeAssignment = (responseName: string): string =>
  responseName === '__proto__'
    ? `Object.defineProperty(target, '__proto__', { value })`
    : `target[${JSON.stringify(responseName)}] = value`;

const settleAll = async (pending: readonly Promise<void>[], target: Target): Promise<Target> => {
  await Promise.all(pending);
  return target;
};

/**
 * Fails an object, immediately or after the pending fields before the failing one have settled. They may still add errors, and
 * their rejections must be handled.
 */
const failAfter = (pending: readonly Promise<void>[] | undefined, error: unknown): Promise<never> => {
  if (!pending) throw error;
  const fail = (): Promise<never> => Promise.reject(error);
  return Promise.all(pending).then(fail, fail);
};
