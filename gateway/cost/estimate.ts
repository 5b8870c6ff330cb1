import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
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
import { countLists, createListLength } from './list-length.ts';

type Variables = Readonly<Record<string, unknown>>;

/** The estimated size of a response, before anything is fetched. */
export type Estimate = {
  /** Objects in the response, each with its `@cost` weight. Default weight 1. */
  readonly objects: number;
  /** Values in the response: objects, list items and scalars. */
  readonly values: number;
  /** Values returned by introspection. */
  readonly introspected: number;
};

export type EstimateOptions = {
  /** The public schema. */
  readonly schema: GraphQLSchema;
  readonly costs: CostDirectives;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  /** Assumed length of a list that states none. */
  readonly assumedListSize: number;
  /** Lengths of introspection lists, by coordinates such as `__Type.fields`. */
  readonly introspectionLists: ReadonlyMap<string, number>;
};

/** Memoized evaluations of one request: each part of an operation once, however many paths lead to it. */
type Memo = Map<Evaluate, Map<number | undefined, Estimate>>;

/** Estimates one occurrence of a part of an operation. `inherited` is the length stated by the parent's arguments. */
type Evaluate = (variables: Variables, inherited: number | undefined, memo: Memo) => Estimate;

const NOTHING: Estimate = { objects: 0, values: 0, introspected: 0 };

/** Exceeds every limit, yet no product of two is infinite, because zero times infinity would be NaN. */
const MAX_TOTAL = 1e15;

const bounded = (total: number): number => Math.min(MAX_TOTAL, total);

const combine = (one: Estimate, other: Estimate, operator: (a: number, b: number) => number): Estimate => ({
  objects: bounded(operator(one.objects, other.objects)),
  values: bounded(operator(one.values, other.values)),
  introspected: bounded(operator(one.introspected, other.introspected)),
});

const plus = (a: number, b: number): number => a + b;

/**
 * Compiles an estimate of an operation's response size. List lengths are multiplied along each path. An abstract type counts as
 * its most expensive object type.
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
  /** The variables that affect the estimate. */
  const dependsOn = new Set<string>();
  const ids = new Map<unknown, number>();
  const idOf = (value: unknown): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };

  /** Returns one function per type and selection, however often fragments repeat it. */
  const objectOf = (
    typename: string,
    fields: ReadonlyMap<string, readonly SelectedField[]>,
    sizedFields: readonly string[],
  ): Evaluate => {
    const key = JSON.stringify([typename, sizedFields, selectionKeyOf(fields)]);
    const existing = compiled.get(key);
    if (existing) return existing;
    const parts = [...fields.values()].map((selected) => fieldOf(typename, selected, sizedFields));
    const evaluate = memoizePerRequest((...args) =>
      parts.reduce((sum, part) => combine(sum, part(...args), plus), NOTHING),
    );
    compiled.set(key, evaluate);
    return evaluate;
  };

  const selectionKeyOf = (fields: ReadonlyMap<string, readonly SelectedField[]>) =>
    [...fields.values()].map((selected) => selected.map(({ node, conditions }) => [idOf(node), conditions]));

  const fieldOf = (typename: string, selected: readonly SelectedField[], sizedFields: readonly string[]): Evaluate => {
    const [{ node }] = selected as readonly [SelectedField];
    const name = node.name.value;
    const definition = fieldsOf(schema.getType(typename))[name];
    const isConditional = selected.every(({ conditions }) => conditions.length > 0);
    for (const { variable } of selected.flatMap(({ conditions }) => conditions)) dependsOn.add(variable);
    const evaluate = definition
      ? compileField(typename, selected, definition, sizedFields.includes(name))
      : compileMetaField(typename, selected);
    return isConditional ? (...args) => (isSelected(selected, args[0]) ? evaluate(...args) : NOTHING) : evaluate;
  };

  const compileMetaField = (typename: string, selected: readonly SelectedField[]): Evaluate => {
    const definition = META_FIELDS.find(({ name }) => name === selected[0]?.node.name.value);
    if (!definition) return () => ({ ...NOTHING, values: 1 });
    const evaluate = compileField(typename, selected, definition, false);
    return (...args) => ({ ...NOTHING, introspected: evaluate(...args).values });
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
    const argumentsCost = (node.arguments ?? []).reduce(
      (sum, argument) => sum + (weights.get(`${coordinate}(${argument.name.value}:)`) ?? 0),
      0,
    );
    const length = createListLength(node, definition, listSizes.get(coordinate), assumedListSize);
    for (const name of length.variables) dependsOn.add(name);
    const lists = countLists(definition);
    const inner = isCompositeType(named) ? compositeOf(named, selected, length.sizedFields) : undefined;
    const sizesOwnList = length.sizedFields.length === 0;
    return (variables, inherited, memo) => {
      const stated = length.fromArguments(variables);
      const listLength =
        (isSized ? inherited : undefined) ??
        (sizesOwnList ? stated : undefined) ??
        introspectionLists.get(coordinate) ??
        length.assumed;
      const occurrences = lists === 0 ? 1 : bounded(listLength * assumedListSize ** (lists - 1));
      const item = inner?.(variables, sizesOwnList ? undefined : stated, memo) ?? NOTHING;
      return {
        objects: bounded(occurrences * (weight + item.objects) + argumentsCost),
        values: bounded(occurrences * (1 + item.values)),
        introspected: bounded(occurrences * item.introspected),
      };
    };
  };

  /** Returns everything except the selection that determines the cost of an object's fields. */
  const costsOf = (typename: string, fields: ReadonlyMap<string, readonly SelectedField[]>): unknown[] =>
    [...fields.values()].map(([selected]) => {
      const definition = fieldsOf(schema.getType(typename))[selected?.node.name.value ?? ''];
      if (!definition) return [];
      const coordinate = `${typename}.${definition.name}`;
      const argumentCosts = definition.args.map(({ name, defaultValue }) => [
        name,
        defaultValue,
        weights.get(`${coordinate}(${name}:)`),
      ]);
      return [String(definition.type), weights.get(coordinate), listSizes.get(coordinate), argumentCosts];
    });

  const weightOf = (type: GraphQLNamedType): number => {
    const types = isAbstractType(type) ? [type, ...schema.getPossibleTypes(type)] : [type];
    const typeWeights = types.flatMap(({ name }) => weights.get(name) ?? []);
    return typeWeights.length > 0 ? Math.max(...typeWeights) : isCompositeType(type) ? 1 : 0;
  };

  const compositeOf = (
    type: GraphQLNamedType,
    selected: readonly SelectedField[],
    sizedFields: readonly string[],
  ): Evaluate => {
    const from = subselectionsOf(selected);
    const ofType = (typename: string) => collectFields(schema, typename, from, fragments);
    if (!isAbstractType(type)) return objectOf(type.name, ofType(type.name), sizedFields);
    // Most types of an interface have the same selection at the same cost. Each distinct one is evaluated once.
    const bySelection = new Map(
      schema.getPossibleTypes(type).map(({ name }) => {
        const fields = ofType(name);
        return [JSON.stringify([selectionKeyOf(fields), costsOf(name, fields)]), [name, fields]] as const;
      }),
    );
    const parts = [...bySelection.values()].map(([name, fields]) => objectOf(name, fields, sizedFields));
    if (parts.length === 1) return parts[0] as Evaluate;
    return (...args) => parts.reduce((most, part) => combine(most, part(...args), Math.max), NOTHING);
  };

  const root = schema.getRootType(operation.operation);
  if (!root) throw new Error(`The schema has no ${operation.operation}.`);
  const from = [{ selectionSet: operation.selectionSet, conditions: [] }];
  const evaluate = objectOf(root.name, collectFields(schema, root.name, from, fragments), []);
  return memoizeLast([...dependsOn], (variables) => evaluate(variables, undefined, new Map()));
};

/** Memoizes the last estimate. Its inputs seldom change between requests. */
const memoizeLast = (
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
 * Returns the part of a variable's value that can affect an estimate: a number, a boolean, or the length of a list. An absent
 * variable selects the argument's default, unlike null.
 */
const sizeOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return `list of ${value.length}`;
  return typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
};

/**
 * Evaluates a part once per request. The types of an interface share its selections, so with two types at each level of nesting
 * the number of paths doubles while the number of parts does not.
 */
const memoizePerRequest = (evaluate: Evaluate): Evaluate => {
  const cachedEvaluate: Evaluate = (variables, inherited, memo) => {
    const byLength = memo.get(cachedEvaluate);
    const cached = byLength?.get(inherited);
    if (cached) return cached;
    const estimate = evaluate(variables, inherited, memo);
    if (byLength) byLength.set(inherited, estimate);
    else memo.set(cachedEvaluate, new Map([[inherited, estimate]]));
    return estimate;
  };
  return cachedEvaluate;
};

const META_FIELDS = [SchemaMetaFieldDef, TypeMetaFieldDef];

const fieldsOf = (type: GraphQLNamedType | undefined): Readonly<Record<string, GraphQLField<unknown, unknown>>> =>
  isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};
