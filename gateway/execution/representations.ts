import type { QueryPlanSelectionNode } from '@apollo/query-planner';
import type { GraphQLSchema } from 'graphql';
import { createCode, read } from './code.ts';
import { type Data, isData, own, setOwn } from './data.ts';
import { Failure } from './failure.ts';
import { isOfType } from './types.ts';

/** What a subgraph has to be told of an entity, as the plan has it. */
export type Requirement = {
  readonly selections: readonly QueryPlanSelectionNode[];
  /** The type that a subgraph knows entities by, where it is another than theirs: `@interfaceObject`. */
  readonly typenames: ReadonlyMap<string, string>;
};

/** The representations of one request, each once. */
export type Batch = {
  /** Keeps one that is new, for an entity that has it, and gives its number. */
  readonly add: (text: string, entity: Data) => number;
  /** The numbers of those that are known, by what they are made of: a map for each field within that of the one before. */
  readonly known: Map<Representer, IndexTrie>;
  /** What stands in those maps for a value that is no scalar, by its JSON. */
  readonly tokens: Map<string, object>;
};
type IndexTrie = Map<unknown, IndexTrie | number>;

export const createBatch = (add: Batch['add']): Batch => ({ add, known: new Map(), tokens: new Map() });

/** Makes the representations of entities of one type. */
export type Representer = {
  /** The number of an entity's representation; undefined where the entity lacks something. Throws the Failure that it lacks it for. */
  readonly indexOf: (entity: Data, batch: Batch) => number | undefined;
  /** The representation as an object, for an entity that has a number. */
  readonly toValue: (entity: Data) => Data;
  /** The entity with null for each field that it lacks for a failure, and these failures by the fields' names. */
  readonly withoutFailures: (entity: Data) => {
    readonly entity: Data;
    readonly failures: ReadonlyMap<string, Failure>;
  };
};

/** Gives the representer for entities of a type; undefined where the fetch is not for them. */
export const createRepresenters = (
  schema: GraphQLSchema,
  { selections, typenames }: Requirement,
): ((typename: unknown) => Representer | undefined) =>
  memoize((typename) => {
    const fields = typeof typename === 'string' ? fieldsOf(schema, selections, typename, typenames) : [];
    return fields.some(({ name }) => name === '__typename') ? createRepresenter(fields) : undefined;
  });

/** One field of the representations of one type. */
type Field = {
  readonly name: string;
  /** What stands for `__typename`, where that is not the entity's own. */
  readonly typename?: string;
  readonly nested?: Nested;
};

/** How a value within a representation is made: of an object, a list of them, or null. */
type Nested = { readonly toText: (value: unknown) => string; readonly toValue: (value: unknown) => unknown };

const fieldsOf = (
  schema: GraphQLSchema,
  selections: readonly QueryPlanSelectionNode[],
  typename: unknown,
  typenames?: ReadonlyMap<string, string>,
): readonly Field[] => {
  const found = new Map<string, { readonly typename?: string; readonly nested: QueryPlanSelectionNode[] }>();
  const collect = (nodes: readonly QueryPlanSelectionNode[]): void => {
    for (const node of nodes) {
      if (node.kind === 'Field') {
        const name = node.alias ?? node.name;
        found.set(name, { nested: [...(found.get(name)?.nested ?? []), ...(node.selections ?? [])] });
        continue;
      }
      const { typeCondition } = node;
      if (!typeCondition || typeof typename !== 'string' || !isOfType(schema, typename, typeCondition)) continue;
      collect(node.selections);
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
    indexOf: (entity, batch) => find(entity, batch, numbersOf(representer, batch)),
    toValue: (entity) => toValue(fields, entity),
    withoutFailures: (entity) => withoutFailures(fields, entity),
  };
  const find = writeFind(fields);
  return representer;
};

const numbersOf = (representer: Representer, { known }: Batch): IndexTrie => {
  const before = known.get(representer);
  if (before) return before;
  const fresh: IndexTrie = new Map();
  known.set(representer, fresh);
  return fresh;
};

/**
 * Writes the function that finds an entity's number. Most entities are there already, often hundreds of times: they are
 * found by their fields' values, and only a new one is written as text.
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
    // One function is for one type, so the type's name tells nothing apart.
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
  const known = tokens.get(text);
  if (known) return known;
  const token = {};
  tokens.set(text, token);
  return token;
};

const withoutFailures = (fields: readonly Field[], entity: Data) => {
  const failures = new Map<string, Failure>();
  for (const { name, nested } of fields) {
    const failure = findFailure(() => (nested ? nested.toText : scalarText)(own(entity, name)));
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
    const inner = own(entity, name);
    setOwn(value, name, typename ?? (nested ? nested.toValue(inner) : inner));
  }
  return value;
};

const scalarText = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Failure) throw value;
  return Array.isArray(value) ? `[${value.map(scalarText).join(',')}]` : JSON.stringify(value);
};

const createNested = (schema: GraphQLSchema, selections: readonly QueryPlanSelectionNode[]): Nested => {
  const fieldsFor = memoize((typename) => fieldsOf(schema, selections, typename));
  // What an object within an entity lacks makes that object unknown, not the entity.
  const knownFields = (value: Data): readonly Field[] | undefined => {
    const fields = fieldsFor(value['__typename']);
    return fields.some(({ name }) => own(value, name) === undefined) ? undefined : fields;
  };
  const toText = (value: unknown): string => {
    if (value instanceof Failure) throw value;
    if (Array.isArray(value)) return `[${value.map(toText).join(',')}]`;
    const fields = isData(value) && knownFields(value);
    if (!fields) return 'null';
    const texts = fields.map(({ name, nested }) => {
      const inner = own(value, name);
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

// Types are the schema's, so there are not many; but a subgraph that answers nonsense must not fill the memory.
const MAX_TYPES = 1_000;

const memoize = <T>(make: (typename: unknown) => T): ((typename: unknown) => T) => {
  const known = new Map<unknown, T>();
  let last: unknown;
  let ofLast: T | undefined;
  const find = (typename: unknown): T => {
    const before = known.get(typename);
    if (before !== undefined || known.has(typename)) return before as T;
    const value = make(typename);
    if (known.size < MAX_TYPES) known.set(typename, value);
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
