import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
} from 'graphql';
import {
  collectFields,
  type Fragments,
  isSelected,
  type SelectedField,
  subselectionsOf,
} from '../execution/selections.ts';
import type { CostDirectives } from './cost-directives.ts';
import { createListLength } from './list-length.ts';

type Variables = Readonly<Record<string, unknown>>;

/** The size of an answer, known before anything is fetched. */
export type Estimate = {
  /** Objects in the answer, each with the weight that `@cost` gives it; 1 by default. */
  readonly objects: number;
  /** Values in the answer: objects, lists' items and scalars. */
  readonly values: number;
  /** Values that introspection gives. */
  readonly introspected: number;
};

export type EstimateOptions = {
  /** What clients see. */
  readonly schema: GraphQLSchema;
  readonly costs: CostDirectives;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  /** Length of a list that states none. */
  readonly assumedListSize: number;
  /** Lengths of the lists that introspection gives, by coordinates such as `__Type.fields`. */
  readonly introspectionLists: ReadonlyMap<string, number>;
};

/** Evaluations of one request, each part of an operation once however many paths lead to it. */
type Memo = Map<Evaluate, Map<number | undefined, Estimate>>;

/** What one occurrence of a part of an operation costs. `inherited` is the length that the parent's arguments state. */
type Evaluate = (variables: Variables, inherited: number | undefined, memo: Memo) => Estimate;

const NOTHING: Estimate = { objects: 0, values: 0, introspected: 0 };

/** Larger than every limit, and small enough that no product of two is infinite: zero times infinity is not a number. */
const MAX_TOTAL = 1e15;

const bounded = (total: number): number => Math.min(MAX_TOTAL, total);

const combine = (one: Estimate, other: Estimate, how: (a: number, b: number) => number): Estimate => ({
  objects: bounded(how(one.objects, other.objects)),
  values: bounded(how(one.values, other.values)),
  introspected: bounded(how(one.introspected, other.introspected)),
});

const plus = (a: number, b: number): number => a + b;

/**
 * Compiles how large an operation's answer can get, from the lengths of its lists multiplied along each path. Of an
 * abstract type the costliest object counts.
 */
export const createEstimate = ({
  schema,
  costs: { listSizes, weights },
  operation,
  fragments,
  assumedListSize,
  introspectionLists,
}: EstimateOptions): ((variables: Variables) => Estimate) => {
  const compiled = new Map<string, Evaluate>();
  /** The variables that decide how large an answer can get. */
  const dependsOn = new Set<string>();
  const ids = new Map<unknown, number>();
  const idOf = (value: unknown): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };

  /** One function for each type and selection, however often fragments repeat it. */
  const objectOf = (
    typename: string,
    fields: ReadonlyMap<string, readonly SelectedField[]>,
    sized: readonly string[],
  ): Evaluate => {
    const key = JSON.stringify([typename, sized, keyOf(fields)]);
    const known = compiled.get(key);
    if (known) return known;
    const parts = [...fields.values()].map((selected) => fieldOf(typename, selected, sized));
    const evaluate = memoized((...given) => parts.reduce((sum, part) => combine(sum, part(...given), plus), NOTHING));
    compiled.set(key, evaluate);
    return evaluate;
  };

  const keyOf = (fields: ReadonlyMap<string, readonly SelectedField[]>) =>
    [...fields.values()].map((selected) => selected.map(({ node, conditions }) => [idOf(node), conditions]));

  const fieldOf = (typename: string, selected: readonly SelectedField[], sized: readonly string[]): Evaluate => {
    const [{ node }] = selected as readonly [SelectedField];
    const name = node.name.value;
    const definition = fieldsOf(schema.getType(typename))[name];
    const isOpen = selected.every(({ conditions }) => conditions.length > 0);
    for (const { variable } of selected.flatMap(({ conditions }) => conditions)) dependsOn.add(variable);
    const evaluate = definition
      ? compileField(typename, selected, definition, sized.includes(name))
      : compileMetaField(typename, selected);
    return isOpen ? (...given) => (isSelected(selected, given[0]) ? evaluate(...given) : NOTHING) : evaluate;
  };

  const compileMetaField = (typename: string, selected: readonly SelectedField[]): Evaluate => {
    const definition = META_FIELDS.find(({ name }) => name === selected[0]?.node.name.value);
    if (!definition) return () => ({ ...NOTHING, values: 1 });
    const evaluate = compileField(typename, selected, definition, false);
    return (...given) => ({ ...NOTHING, introspected: evaluate(...given).values });
  };

  const compileField = (
    typename: string,
    selected: readonly SelectedField[],
    definition: GraphQLField<unknown, unknown>,
    isSized: boolean,
  ): Evaluate => {
    const [{ node }] = selected as readonly [SelectedField];
    const coordinate = `${typename}.${definition.name}`;
    const named = getNamedType(definition.type);
    const weight = weights.get(coordinate) ?? weightOf(named);
    const ofArguments = (node.arguments ?? []).reduce(
      (sum, argument) => sum + (weights.get(`${coordinate}(${argument.name.value}:)`) ?? 0),
      0,
    );
    const length = createListLength(node, definition, listSizes.get(coordinate), assumedListSize);
    for (const name of length.variables) dependsOn.add(name);
    const lists = countLists(definition);
    const inner = isCompositeType(named) ? compositeOf(named, selected, length.sizedFields) : undefined;
    const ofOwnList = length.sizedFields.length === 0;
    return (variables, inherited, memo) => {
      const stated = length.stated(variables);
      const own =
        (isSized ? inherited : undefined) ??
        (ofOwnList ? stated : undefined) ??
        introspectionLists.get(coordinate) ??
        length.assumed;
      const occurrences = lists === 0 ? 1 : bounded(own * assumedListSize ** (lists - 1));
      const one = inner?.(variables, ofOwnList ? undefined : stated, memo) ?? NOTHING;
      return {
        objects: bounded(occurrences * (weight + one.objects) + ofArguments),
        values: bounded(occurrences * (1 + one.values)),
        introspected: bounded(occurrences * one.introspected),
      };
    };
  };

  /** Everything but the selection that decides what an object's own fields cost. */
  const costsOf = (typename: string, fields: ReadonlyMap<string, readonly SelectedField[]>): unknown[] =>
    [...fields.values()].map(([selected]) => {
      const definition = fieldsOf(schema.getType(typename))[selected?.node.name.value ?? ''];
      if (!definition) return [];
      const coordinate = `${typename}.${definition.name}`;
      const ofArguments = definition.args.map(({ name, defaultValue }) => [
        name,
        defaultValue,
        weights.get(`${coordinate}(${name}:)`),
      ]);
      return [String(definition.type), weights.get(coordinate), listSizes.get(coordinate), ofArguments];
    });

  const weightOf = (type: GraphQLNamedType): number => {
    const types = isAbstractType(type) ? [type, ...schema.getPossibleTypes(type)] : [type];
    const given = types.flatMap(({ name }) => weights.get(name) ?? []);
    return given.length > 0 ? Math.max(...given) : isCompositeType(type) ? 1 : 0;
  };

  const compositeOf = (
    type: GraphQLNamedType,
    selected: readonly SelectedField[],
    sized: readonly string[],
  ): Evaluate => {
    const from = subselectionsOf(selected);
    const ofType = (typename: string) => collectFields(schema, typename, from, fragments);
    if (!isAbstractType(type)) return objectOf(type.name, ofType(type.name), sized);
    // Most types of an interface have the same fields selected, at the same cost: each such selection counts once.
    const bySelection = new Map(
      schema.getPossibleTypes(type).map(({ name }) => {
        const fields = ofType(name);
        return [JSON.stringify([keyOf(fields), costsOf(name, fields)]), [name, fields]] as const;
      }),
    );
    const parts = [...bySelection.values()].map(([name, fields]) => objectOf(name, fields, sized));
    if (parts.length === 1) return parts[0] as Evaluate;
    return (...given) => parts.reduce((most, part) => combine(most, part(...given), Math.max), NOTHING);
  };

  const root = schema.getRootType(operation.operation);
  if (!root) throw new Error(`The schema has no ${operation.operation}.`);
  const from = [{ selectionSet: operation.selectionSet, conditions: [] }];
  const evaluate = objectOf(root.name, collectFields(schema, root.name, from, fragments), []);
  return rememberLast([...dependsOn], (variables) => evaluate(variables, undefined, new Map()));
};

/** Evaluates again only where what an estimate depends on has changed since the last request: it seldom does. */
const rememberLast = (
  dependsOn: readonly string[],
  evaluate: (variables: Variables) => Estimate,
): ((variables: Variables) => Estimate) => {
  let last: { readonly sizes: readonly unknown[]; readonly estimate: Estimate } | undefined;
  return (variables) => {
    const sizes = dependsOn.map((name) => (Object.hasOwn(variables, name) ? sizeOf(variables[name]) : 'absent'));
    if (last && sizes.every((size, index) => size === last?.sizes[index])) return last.estimate;
    const estimate = evaluate(variables);
    last = { sizes, estimate };
    return estimate;
  };
};

/**
 * All that an estimate can depend on of a variable's value: a number, a condition, or the length of a list. A variable
 * that is absent leaves its argument to the default, which null does not.
 */
const sizeOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return `list of ${value.length}`;
  return typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
};

/**
 * Evaluates a part once in each request: the types of an interface share what is selected of it, and at every level of
 * nesting there can be two of them, so that paths double where parts do not.
 */
const memoized = (evaluate: Evaluate): Evaluate => {
  const remembering: Evaluate = (variables, inherited, memo) => {
    const before = memo.get(remembering);
    const known = before?.get(inherited);
    if (known) return known;
    const estimate = evaluate(variables, inherited, memo);
    if (before) before.set(inherited, estimate);
    else memo.set(remembering, new Map([[inherited, estimate]]));
    return estimate;
  };
  return remembering;
};

const META_FIELDS = [SchemaMetaFieldDef, TypeMetaFieldDef];

const fieldsOf = (type: GraphQLNamedType | undefined): Readonly<Record<string, GraphQLField<unknown, unknown>>> =>
  isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};

const countLists = ({ type }: GraphQLField<unknown, unknown>): number => {
  let lists = 0;
  let inner = getNullableType(type);
  while (isListType(inner)) {
    lists += 1;
    inner = getNullableType(inner.ofType);
  }
  return lists;
};
