import { isDeepStrictEqual } from 'node:util';
import { type GraphQLSchema, isObjectType } from 'graphql';
import { createCode, isInherited, read } from './code.ts';
import { copy, type Data, isData, own, setOwn, TYPE_FAILURE } from './data.ts';
import { Failure, type Lost } from './failure.ts';
import type { SelectionTree } from './selection-tree.ts';
import { isSelected } from './selections.ts';
import { isOfType } from './types.ts';

/*
 * Merges what several fetches give for one place, so that the result is the same in every order of arrival:
 *
 * - a value is preferred to a null, and both to nothing;
 * - objects are merged, and lists of the same length item by item;
 * - a failure loses to a leaf, and is distributed to the fields that an object of another fetch lacks;
 * - values that contradict each other are a conflict: a failure that no further value replaces.
 */

/** What merging needs to know of an execution, and reports to it. */
export type MergeRun = { hasFailures: boolean; readonly variables: Readonly<Record<string, unknown>> };

export type Merge = (target: Data, source: Data, run: MergeRun) => void;

/** Compiles how the fields that one fetch selects of an object are merged into it. */
export const createMerge = (schema: GraphQLSchema, tree: SelectionTree): Merge => {
  const code = createCode();
  for (const { dataName: name, nested } of tree.fieldsOf().values()) {
    const key = JSON.stringify(name);
    const value = code.name('value');
    const mergeSlowly = (target: Data, given: unknown, run: MergeRun): void => {
      const merged =
        name === '__typename'
          ? (commonType(schema, target[name], given) ?? target[name])
          : combine(own(target, name), given, name, nested, { schema, run });
      setOwn(target, name, merged);
    };
    const slow = `${code.constant(mergeSlowly)}(target, ${value}, run);`;
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
  return code.toFunction('mergeFields', ['target', 'source', 'run'], 'undefined');
};

type Context = { readonly schema: GraphQLSchema; readonly run: MergeRun };

/** `tree` is what the fetch of the new value selects of it; undefined for a leaf. */
const combine = (
  existing: unknown,
  value: unknown,
  key: string | number,
  tree: SelectionTree | undefined,
  context: Context,
): unknown => {
  if (value === undefined || existing === value) return existing;
  if (existing === undefined) return value;
  if (existing instanceof Failure) return combineFailure(value, existing, key, context.run, copy);
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

// `own` is several times slower, and few names are inherited.
const get = (object: Data, name: string): unknown => (isInherited(name) ? own(object, name) : object[name]);

const combineLists = (
  existing: unknown[],
  value: readonly unknown[],
  tree: SelectionTree,
  context: Context,
): unknown => {
  // Items are matched by their positions, which mean nothing where one list has more of them.
  if (existing.length !== value.length) return conflict(context.run);
  for (let index = 0; index < value.length; index++) {
    existing[index] = combine(existing[index], value[index], index, tree, context);
  }
  return existing;
};

/** The value where both are the same; undefined where they differ. Some services serialise an ID as a number. */
const combineLeaves = (existing: unknown, value: unknown): unknown => {
  if (isDeepStrictEqual(existing, value)) return existing;
  const [text, number] = typeof existing === 'string' ? [existing, value] : [value, existing];
  return typeof number === 'number' && String(number) === text ? text : undefined;
};

/**
 * The type of an object that two fetches name; null where neither does, undefined where they contradict each other. The
 * concrete type is preferred to an interface, which is all that a subgraph with `@interfaceObject` knows.
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
  message: 'The services gave different values for this. Retry the operation.',
  extensions: { code: 'UPSTREAM_BAD_RESPONSE' },
  path: [],
};

const conflict = (run: MergeRun): Failure => {
  run.hasFailures = true;
  return new Failure([CONFLICT], { isFinal: true });
};

/**
 * Merges a failure with what another fetch gave. An object or a list of the data is changed in place, for running
 * fetches hold it; `toOwn` makes one that is not part of the data yet fit to be changed.
 */
export const combineFailure = (
  value: unknown,
  failure: Failure,
  key: string | number,
  run: MergeRun,
  toOwn: <T>(value: T) => T = (same) => same,
): unknown => {
  run.hasFailures = true;
  if (value === undefined) return failure;
  if (value instanceof Failure) return value.and(failure);
  if (failure.isFinal) return failure;
  // A fetch that failed could have given an object: the null of another does not explain that it did not.
  if (value === null) return failure.isOfComposite ? failure : null;
  if (!failure.isOfComposite || !(isData(value) || Array.isArray(value))) return value;
  const merged = toOwn(value);
  for (const { lost, failure: within } of failure.lostAt(key)) failWithin(merged, within, lost, run);
  return merged;
};

/** Distributes a failure to the fields that are lost of a value, and of the items of a list. */
const failWithin = (value: Data | unknown[], failure: Failure, lost: Lost, run: MergeRun): void => {
  const [step, ...rest] = lost.path;
  if (Array.isArray(value)) {
    const ofItem = failure.withLost(step === '@' ? { ...lost, path: rest } : lost);
    for (const [index, item] of value.entries()) value[index] = combineFailure(item, ofItem, index, run);
  } else if (step === undefined) failFields(value, failure, lost.tree, run);
  else failField(value, step, failure.withLost({ ...lost, path: rest }), run);
};

/**
 * Puts a failure at each field of an object that a fetch should have given. What other fetches gave stays, but for
 * objects among it: of these, the fields that they lack fail.
 */
export const failFields = (object: Data, failure: Failure, tree: SelectionTree, run: MergeRun): void => {
  run.hasFailures = true;
  for (const { name, dataName, selected, lost } of tree.fieldsOf(object['__typename']).values()) {
    if (!isSelected(selected, run.variables)) continue;
    if (name !== '__typename') failField(object, dataName, lost ? failure.withLost(lost) : failure, run);
    else if (dataName === name) failType(object, failure);
  }
};

const failField = (object: Data, name: string, failure: Failure, run: MergeRun): void => {
  setOwn(object, name, combineFailure(own(object, name), failure, name, run));
};

/** Not at `__typename` itself: the name of an interface that stands there identifies the entity to other subgraphs. */
const failType = (object: Data, failure: Failure): void => {
  const existing = object[TYPE_FAILURE];
  object[TYPE_FAILURE] = existing instanceof Failure ? existing.and(failure) : failure;
};

/**
 * Adds to the failures that stand on the way to the objects of a fetch what the fetch would have given. `lost` has a
 * path for each number of steps that are done.
 */
export const extendFailures = (value: unknown, lost: readonly Lost[], done = 0): void => {
  const rest = lost[done];
  if (!rest) return;
  if (value instanceof Failure) {
    value.addLost(rest);
    return;
  }
  const [step] = rest.path;
  if (step === undefined) return;
  if (step !== '@') extendFailures(isData(value) ? own(value, step) : undefined, lost, done + 1);
  else if (Array.isArray(value)) for (const item of value) extendFailures(item, lost, done + 1);
};
