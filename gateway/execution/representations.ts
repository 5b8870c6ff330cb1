import type { GraphQLSchema, SelectionSetNode } from 'graphql';
import { createCode, read } from './code.ts';
import { type Data, getOwn, isData, setOwn } from './data.ts';
import { includesKey } from './entity-keys.ts';
import { Failure } from './failure.ts';
import type { RequiredSelection, Requirement } from './steps.ts';
import { isOfType } from './types.ts';

/** The deduplicated representations of one request. */
export type Batch = {
  /** Adds a new representation of an entity and returns its index. */
  readonly add: (text: string, entity: Data) => number;
  /** Indices of the known representations, as a trie: one map level per field value. */
  readonly tries: Map<Representer, IndexTrie>;
  /** Interned keys for non-scalar values in those maps, by their JSON. */
  readonly tokens: Map<string, object>;
};
type IndexTrie = Map<unknown, IndexTrie | number>;

export const createBatch = (add: Batch['add']): Batch => ({ add, tries: new Map(), tokens: new Map() });

/** Creates the representations of entities of one type. */
export type Representer = {
  /** Returns the index of an entity's representation. Undefined if a field is missing. Throws the Failure of a failed field. */
  readonly indexOf: (entity: Data, batch: Batch) => number | undefined;
  /** Returns the representation as an object, for an entity that has an index. */
  readonly toValue: (entity: Data) => Data;
  /** Returns the entity with null for each failed field, and the failures by field name. */
  readonly withoutFailures: (entity: Data) => {
    readonly entity: Data;
    readonly failures: ReadonlyMap<string, Failure>;
  };
};

/**
 * Creates a lookup of representers by type. `keysOf` returns the keys that the subgraph has for a type.
 *
 * Returns undefined for types that the fetch is not for. Representations of those have no key: for a field of one type that a
 * subgraph with `@interfaceObject` computes, Apollo's planner lists the key for that type, but the required fields for all types
 * of the interface.
 */
export const createRepresenters = (
  schema: GraphQLSchema,
  { selections, typenames }: Requirement,
  keysOf: (typename: string) => readonly SelectionSetNode[],
): ((typename: unknown) => Representer | undefined) =>
  memoize((typename) => {
    if (typeof typename !== 'string') return undefined;
    const fields = fieldsOf(schema, selections, typename, typenames);
    const type = fields.find(({ name }) => name === '__typename');
    if (!type) return undefined;
    const applicable = selections.filter((node) => appliesTo(schema, typename, node));
    const keys = keysOf(type.typename ?? typename);
    return keys.length === 0 || keys.some((key) => includesKey(applicable, key))
      ? createRepresenter(fields)
      : undefined;
  });

const appliesTo = (schema: GraphQLSchema, typename: unknown, node: RequiredSelection): boolean => {
  if (node.kind === 'Field') return true;
  const { typeCondition } = node;
  return typeCondition !== undefined && typeof typename === 'string' && isOfType(schema, typename, typeCondition);
};

/** One field of the representations of one type. */
type Field = {
  readonly name: string;
  /** The value of `__typename`, if it differs from the entity's own. */
  readonly typename?: string;
  readonly nested?: Nested;
};

/** Converts a nested value of a representation: an object, a list of objects, or null. */
type Nested = { readonly toText: (value: unknown) => string; readonly toValue: (value: unknown) => unknown };

const fieldsOf = (
  schema: GraphQLSchema,
  selections: readonly RequiredSelection[],
  typename: unknown,
  typenames?: ReadonlyMap<string, string>,
): readonly Field[] => {
  const found = new Map<string, { readonly typename?: string; readonly nested: RequiredSelection[] }>();
  const collect = (nodes: readonly RequiredSelection[]): void => {
    for (const node of nodes) {
      if (node.kind === 'Field') {
        const name = node.alias ?? node.name;
        found.set(name, { nested: [...(found.get(name)?.nested ?? []), ...(node.selections ?? [])] });
        continue;
      }
      if (appliesTo(schema, typename, node)) collect(node.selections);
    }
  };
  collect(selections);
  for (const [condition, other] of typenames ?? []) {
    if (!found.has('__typename') || typeof typename !== 'string' || !isOfType(schema, typename, condition)) continue;
    found.set('__typename', { typename: other, nested: [] });
  }
  return [...found].map(([name, { nested, ...rest }]) => ({
    name,
    ...rest,
    ...(nested.length > 0 && { nested: createNested(schema, nested) }),
  }));
};

const createRepresenter = (fields: readonly Field[]): Representer => {
  const representer: Representer = {
    indexOf: (entity, batch) => find(entity, batch, indexTrieOf(representer, batch)),
    toValue: (entity) => toValue(fields, entity),
    withoutFailures: (entity) => withoutFailures(fields, entity),
  };
  const find = writeFind(fields);
  return representer;
};

const indexTrieOf = (representer: Representer, { tries }: Batch): IndexTrie => {
  const existing = tries.get(representer);
  if (existing) return existing;
  const trie: IndexTrie = new Map();
  tries.set(representer, trie);
  return trie;
};

/**
 * Generates the function that finds the index of an entity's representation. Most entities occur more than once, often hundreds
 * of times: they are found by their field values, and only new ones are serialized.
 */
const writeFind = (
  fields: readonly Field[],
): ((entity: Data, batch: Batch, numbers: IndexTrie) => number | undefined) => {
  const code = createCode();
  const texts: string[] = [];
  const keys: string[] = [];
  for (const [index, { name, typename, nested }] of fields.entries()) {
    const key = `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`;
    if (typename !== undefined) {
      texts.push(JSON.stringify(key + JSON.stringify(typename)));
      continue;
    }
    const value = code.name('value');
    const toText = code.constant(nested?.toText ?? scalarText);
    code.add(`const ${value} = ${read('entity', name)};`, `if (${value} === undefined) return undefined;`);
    texts.push(`${JSON.stringify(key)} + ${toText}(${value})`);
    // Each function is for one type, so the type name distinguishes nothing.
    if (name === '__typename') continue;
    keys.push(code.name('key'));
    code.add(
      `const ${keys.at(-1)} = typeof ${value} === 'object' ? ${code.constant(intern)}(${value}, ${toText}, batch) : ${value};`,
    );
  }
  const last = keys.pop() ?? 'undefined';
  let numbers = 'numbers';
  for (const key of keys) {
    const inner = code.name('numbers');
    code.add(`let ${inner} = ${numbers}.get(${key});`);
    code.add(`if (${inner} === undefined) { ${inner} = new Map(); ${numbers}.set(${key}, ${inner}); }`);
    numbers = inner;
  }
  const found = code.name('found');
  code.add(`let ${found} = ${numbers}.get(${last});`);
  code.add(`if (${found} !== undefined) return ${found};`);
  code.add(`${found} = batch.add(${texts.join(' + ')} + "}", entity);`);
  code.add(`${numbers}.set(${last}, ${found});`);
  return code.toFunction('findRepresentation', ['entity', 'batch', 'numbers'], found);
};

const intern = (value: unknown, toText: (value: unknown) => string, { tokens }: Batch): object => {
  const text = toText(value);
  const existing = tokens.get(text);
  if (existing) return existing;
  const token = {};
  tokens.set(text, token);
  return token;
};

const withoutFailures = (fields: readonly Field[], entity: Data) => {
  const failures = new Map<string, Failure>();
  for (const { name, nested } of fields) {
    const failure = findFailure(() => (nested ? nested.toText : scalarText)(getOwn(entity, name)));
    if (failure) failures.set(name, failure);
  }
  if (failures.size === 0) return { entity, failures };
  const without = { ...entity };
  for (const name of failures.keys()) setOwn(without, name, null);
  return { entity: without, failures };
};

const findFailure = (toText: () => string): Failure | undefined => {
  try {
    toText();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  return undefined;
};

const toValue = (fields: readonly Field[], entity: Data): Data => {
  const value: Data = {};
  for (const { name, typename, nested } of fields) {
    const inner = getOwn(entity, name);
    setOwn(value, name, typename ?? (nested ? nested.toValue(inner) : inner));
  }
  return value;
};

const scalarText = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Failure) throw value;
  return Array.isArray(value) ? `[${value.map(scalarText).join(',')}]` : JSON.stringify(value);
};

const createNested = (schema: GraphQLSchema, selections: readonly RequiredSelection[]): Nested => {
  const fieldsFor = memoize((typename) => fieldsOf(schema, selections, typename));
  // A missing field makes the nested object unknown, but not the entity.
  const knownFields = (value: Data): readonly Field[] | undefined => {
    const fields = fieldsFor(value['__typename']);
    return fields.some(({ name }) => getOwn(value, name) === undefined) ? undefined : fields;
  };
  const toText = (value: unknown): string => {
    if (value instanceof Failure) throw value;
    if (Array.isArray(value)) return `[${value.map(toText).join(',')}]`;
    const fields = isData(value) && knownFields(value);
    if (!fields) return 'null';
    const texts = fields.map(({ name, nested }) => {
      const inner = getOwn(value, name);
      return `${JSON.stringify(name)}:${nested ? nested.toText(inner) : scalarText(inner)}`;
    });
    return `{${texts.join(',')}}`;
  };
  const toNestedValue = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(toNestedValue);
    const fields = isData(value) && knownFields(value);
    return fields ? toValue(fields, value) : null;
  };
  return { toText, toValue: toNestedValue };
};

// A schema has few types, but a subgraph that returns arbitrary type names must not exhaust the memory.
const MAX_TYPES = 1_000;

const memoize = <T>(compute: (typename: unknown) => T): ((typename: unknown) => T) => {
  const cache = new Map<unknown, T>();
  let last: unknown;
  let ofLast: T | undefined;
  const find = (typename: unknown): T => {
    const cached = cache.get(typename);
    if (cached !== undefined || cache.has(typename)) return cached as T;
    const value = compute(typename);
    if (cache.size < MAX_TYPES) cache.set(typename, value);
    return value;
  };
  // Most lists are of one type.
  return (typename) => {
    if (typename !== last || last === undefined) {
      ofLast = find(typename);
      last = typename;
    }
    return ofLast as T;
  };
};
