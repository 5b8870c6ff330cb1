import { isDeepStrictEqual } from 'node:util';
import { type GraphQLSchema, isObjectType } from 'graphql';
import { createCode, isInherited, read } from './code.ts';
import { type Data, deepCopy, getOwn, isData, setOwn, TYPE_FAILURE } from './data.ts';
import { Failure } from './failure.ts';
import type { MissingFields, SelectionTree } from './selection-tree.ts';
import { isSelected } from './selections.ts';
import { isOfType } from './types.ts';

/*
 * Merges the values that several fetches return for one path. The result does not depend on the order of arrival:
 *
 * - a value takes precedence over null, and both over a missing value;
 * - objects are merged field by field, and lists of equal length item by item;
 * - a leaf replaces a failure; an object from another fetch takes the failure for the fields that it lacks;
 * - contradictory values are a conflict: a failure that no later value replaces.
 */

/** The part of an execution that merging reads and updates. */
export type MergeRun = { hasFailures: boolean; readonly variables: Readonly<Record<string, unknown>> };

export type Merge = (target: Data, source: Data, run: MergeRun) => void;

/** Compiles merging the fields that one fetch selects into an object. */
export const createMerge = (schema: GraphQLSchema, tree: SelectionTree): Merge => {
  const code = createCode();
  for (const { dataName: name, nested } of tree.fieldsOf().values()) {
    const key = JSON.stringify(name);
    const value = code.name('value');
    const mergeSlowly = (target: Data, incoming: unknown, run: MergeRun): void => {
      const merged =
        name === '__typename'
          ? (commonType(schema, target[name], incoming) ?? target[name])
          : combine(getOwn(target, name), incoming, name, nested, { schema, run });
      setOwn(target, name, merged);
    };
    const slow = `${code.constant(mergeSlowly)}(target, ${value}, run);`;
    code.add(`const ${value} = ${read('source', name)};`);
    // The fast path. Inherited names are never undefined on an object, so they take the slow path.
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
  return code.toFunction('mergeFields', ['target', 'source', 'run'], 'undefined');
};

type Context = { readonly schema: GraphQLSchema; readonly run: MergeRun };

/** Merges one value. `tree` has the selections of the new value; undefined for a leaf. */
const combine = (
  existing: unknown,
  value: unknown,
  key: string | number,
  tree: SelectionTree | undefined,
  context: Context,
): unknown => {
  if (value === undefined || existing === value) return existing;
  if (existing === undefined) return value;
  if (existing instanceof Failure) return combineFailure(value, existing, key, context.run, deepCopy);
  if (value instanceof Failure) return combineFailure(existing, value, key, context.run);
  if (existing === null || value === null) return existing ?? value;
  if (tree && isData(existing) && isData(value)) return combineObjects(existing, value, tree, context);
  if (tree && Array.isArray(existing) && Array.isArray(value)) return combineLists(existing, value, tree, context);
  return combineLeaves(existing, value) ?? conflict(context.run);
};

const combineObjects = (existing: Data, value: Data, tree: SelectionTree, context: Context): unknown => {
  const typename = commonType(context.schema, existing['__typename'], value['__typename']);
  if (typename === undefined) return conflict(context.run);
  if (typename !== null) existing['__typename'] = typename;
  for (const { dataName: name, nested } of tree.fieldsOf().values()) {
    if (name === '__typename') continue;
    const current = get(existing, name);
    const merged = combine(current, get(value, name), name, nested, context);
    if (merged !== current) setOwn(existing, name, merged);
  }
  const typeFailure = context.run.hasFailures ? value[TYPE_FAILURE] : undefined;
  if (typeFailure instanceof Failure) failType(existing, typeFailure);
  return existing;
};

// `getOwn` is several times slower, and few names are inherited.
const get = (object: Data, name: string): unknown => (isInherited(name) ? getOwn(object, name) : object[name]);

const combineLists = (
  existing: unknown[],
  value: readonly unknown[],
  tree: SelectionTree,
  context: Context,
): unknown => {
  // Items are matched by index, which is meaningless if the lengths differ.
  if (existing.length !== value.length) return conflict(context.run);
  for (let index = 0; index < value.length; index++) {
    existing[index] = combine(existing[index], value[index], index, tree, context);
  }
  return existing;
};

/** Returns the value if both are equal, otherwise undefined. Some services serialize an ID as a number. */
const combineLeaves = (existing: unknown, value: unknown): unknown => {
  if (isDeepStrictEqual(existing, value)) return existing;
  const [text, number] = typeof existing === 'string' ? [existing, value] : [value, existing];
  return typeof number === 'number' && String(number) === text ? text : undefined;
};

/**
 * Returns the common type name of an object from two fetches: null if neither names one, undefined if they contradict each
 * other. A concrete type takes precedence over an interface, which is all that a subgraph with `@interfaceObject` knows.
 */
const commonType = (schema: GraphQLSchema, existing: unknown, value: unknown): string | null | undefined => {
  if (typeof existing !== 'string') return typeof value === 'string' ? value : null;
  if (typeof value !== 'string' || existing === value) return existing;
  const isConcrete = (name: string): boolean => isObjectType(schema.getType(name));
  if (isConcrete(existing) && isConcrete(value)) return undefined;
  if (isConcrete(existing) || isConcrete(value)) return isConcrete(existing) ? existing : value;
  if (isOfType(schema, existing, value)) return existing;
  return isOfType(schema, value, existing) || value < existing ? value : existing;
};

const CONFLICT = {
  message: 'The services returned different values for this field. Retry the operation.',
  extensions: { code: 'UPSTREAM_BAD_RESPONSE' },
  path: [],
};

const conflict = (run: MergeRun): Failure => {
  run.hasFailures = true;
  return new Failure([CONFLICT], { isFinal: true });
};

/**
 * Merges a failure with the value of another fetch. Changes an object or a list in place, because running fetches refer to it.
 * `toMutable` copies a value that is not part of the data yet.
 */
export const combineFailure = (
  value: unknown,
  failure: Failure,
  key: string | number,
  run: MergeRun,
  toMutable: <T>(value: T) => T = (same) => same,
): unknown => {
  run.hasFailures = true;
  if (value === undefined) return failure;
  if (value instanceof Failure) return value.mergeWith(failure);
  if (failure.isFinal) return failure;
  // The failed fetch could have returned an object, so the null of another fetch is no explanation.
  if (value === null) return failure.isComposite ? failure : null;
  if (!failure.isComposite || !(isData(value) || Array.isArray(value))) return value;
  const merged = toMutable(value);
  for (const { missing, failure: within } of failure.missingAt(key)) failWithin(merged, within, missing, run);
  return merged;
};

/** Distributes a failure to the missing fields of a value, or of the items of a list. */
const failWithin = (value: Data | unknown[], failure: Failure, missing: MissingFields, run: MergeRun): void => {
  const [step, ...rest] = missing.path;
  if (Array.isArray(value)) {
    const itemFailure = failure.withMissing(step === '@' ? { ...missing, path: rest } : missing);
    for (const [index, item] of value.entries()) value[index] = combineFailure(item, itemFailure, index, run);
  } else if (step === undefined) failFields(value, failure, missing.tree, run);
  else failField(value, step, failure.withMissing({ ...missing, path: rest }), run);
};

/**
 * Sets a failure at each field that a fetch would have returned for an object. Values of other fetches are kept; in nested
 * objects, only the missing fields fail.
 */
export const failFields = (object: Data, failure: Failure, tree: SelectionTree, run: MergeRun): void => {
  run.hasFailures = true;
  for (const { name, dataName, selected, missing } of tree.fieldsOf(object['__typename']).values()) {
    if (!isSelected(selected, run.variables)) continue;
    if (name !== '__typename') failField(object, dataName, missing ? failure.withMissing(missing) : failure, run);
    else if (dataName === name) failType(object, failure);
  }
};

const failField = (object: Data, name: string, failure: Failure, run: MergeRun): void => {
  setOwn(object, name, combineFailure(getOwn(object, name), failure, name, run));
};

/** Records a failed type. `__typename` stays: an interface name in it still identifies the entity to other subgraphs. */
const failType = (object: Data, failure: Failure): void => {
  const existing = object[TYPE_FAILURE];
  object[TYPE_FAILURE] = existing instanceof Failure ? existing.mergeWith(failure) : failure;
};

/**
 * Adds the fields of a fetch to failures on the path to its objects. `missing` has the remaining path for each number of
 * completed steps.
 */
export const extendFailures = (value: unknown, missing: readonly MissingFields[], done = 0): void => {
  const rest = missing[done];
  if (!rest) return;
  if (value instanceof Failure) {
    value.addMissing(rest);
    return;
  }
  const [step] = rest.path;
  if (step === undefined) return;
  if (step !== '@') extendFailures(isData(value) ? getOwn(value, step) : undefined, missing, done + 1);
  else if (Array.isArray(value)) for (const item of value) extendFailures(item, missing, done + 1);
};
