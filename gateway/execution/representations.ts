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

/** Makes the representations of entities of one type. */
export type Representer = {
  /** The representation as JSON; undefined where the entity lacks something. Throws the Failure that it lacks it for. */
  readonly toText: (entity: Data) => string | undefined;
  /** The same as an object, for an entity that has a text. */
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
  remember((typename) => {
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
  const code = createCode();
  const scalar = code.constant(scalarText);
  const texts: string[] = [];
  for (const [index, { name, typename, nested }] of fields.entries()) {
    const key = `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`;
    if (typename !== undefined) {
      texts.push(JSON.stringify(key + JSON.stringify(typename)));
      continue;
    }
    const value = code.name('v');
    code.add(`const ${value} = ${read('entity', name)};`, `if (${value} === undefined) return undefined;`);
    texts.push(`${JSON.stringify(key)} + ${nested ? code.constant(nested.toText) : scalar}(${value})`);
  }
  return {
    toText: code.toFunction(['entity'], `${texts.join(' + ')} + "}"`),
    toValue: (entity) => toValue(fields, entity),
    withoutFailures: (entity) => {
      const failures = new Map<string, Failure>();
      const without = { ...entity };
      for (const { name, nested } of fields) {
        const failure = findFailure(() => (nested ? nested.toText : scalarText)(own(entity, name)));
        if (!failure) continue;
        failures.set(name, failure);
        setOwn(without, name, null);
      }
      return { entity: without, failures };
    },
  };
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
  const fieldsFor = remember((typename) => fieldsOf(schema, selections, typename));
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

const remember = <T>(make: (typename: unknown) => T): ((typename: unknown) => T) => {
  const known = new Map<unknown, T>();
  return (typename) => {
    const before = known.get(typename);
    if (before !== undefined || known.has(typename)) return before as T;
    const made = make(typename);
    if (known.size < MAX_TYPES) known.set(typename, made);
    return made;
  };
};
