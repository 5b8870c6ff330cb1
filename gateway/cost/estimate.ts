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
import { collectFields, type Fragments, isSelected, type Selected, subselectionsOf } from '../execution/selections.ts';
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

type Totals = { objects: number; values: number; introspected: number };

/** Adds what one part of an operation costs `times` over. `inherited` is the length that the parent's arguments state. */
type Add = (totals: Totals, times: number, variables: Variables, inherited: number | undefined) => void;

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
  const compiled = new Map<string, Add>();
  const ids = new Map<unknown, number>();
  const idOf = (value: unknown): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };

  /** One function for each type and selection, however often fragments repeat it. */
  const objectOf = (
    typename: string,
    fields: ReadonlyMap<string, readonly Selected[]>,
    sized: readonly string[],
  ): Add => {
    const key = JSON.stringify([typename, sized, keyOf(fields)]);
    const known = compiled.get(key);
    if (known) return known;
    const adds = [...fields.values()].map((selected) => fieldOf(typename, selected, sized));
    const add: Add = (...given) => {
      for (const one of adds) one(...given);
    };
    compiled.set(key, add);
    return add;
  };

  const keyOf = (fields: ReadonlyMap<string, readonly Selected[]>) =>
    [...fields.values()].map((selected) => selected.map(({ node, conditions }) => [idOf(node), conditions]));

  const fieldOf = (typename: string, selected: readonly Selected[], sized: readonly string[]): Add => {
    const [{ node }] = selected as readonly [Selected];
    const name = node.name.value;
    const definition = fieldsOf(schema.getType(typename))[name];
    const isOpen = selected.every(({ conditions }) => conditions.length > 0);
    const add = definition
      ? compileField(typename, selected, definition, sized.includes(name))
      : compileMetaField(typename, selected);
    return isOpen ? (...given) => void (isSelected(selected, given[2]) && add(...given)) : add;
  };

  const compileMetaField = (typename: string, selected: readonly Selected[]): Add => {
    const definition = META_FIELDS.find(({ name }) => name === selected[0]?.node.name.value);
    if (!definition) {
      return (totals, times) => {
        totals.values += times;
      };
    }
    const add = compileField(typename, selected, definition, false);
    return (totals, times, variables) => {
      const introspected = { objects: 0, values: 0, introspected: 0 };
      add(introspected, times, variables, undefined);
      totals.introspected += introspected.values;
    };
  };

  const compileField = (
    typename: string,
    selected: readonly Selected[],
    definition: GraphQLField<unknown, unknown>,
    isSized: boolean,
  ): Add => {
    const [{ node }] = selected as readonly [Selected];
    const coordinate = `${typename}.${definition.name}`;
    const named = getNamedType(definition.type);
    const isObject = isCompositeType(named);
    const weight = weights.get(coordinate) ?? weightOf(named);
    const ofArguments = (node.arguments ?? []).reduce(
      (sum, argument) => sum + (weights.get(`${coordinate}(${argument.name.value}:)`) ?? 0),
      0,
    );
    const length = createListLength(node, definition, listSizes.get(coordinate), assumedListSize);
    const lists = countLists(definition);
    const inner = isObject ? compositeOf(named, selected, length.sizedFields) : undefined;
    const ofOwnList = length.sizedFields.length === 0;
    return (totals, times, variables, inherited) => {
      const stated = length.stated(variables);
      const own =
        (isSized ? inherited : undefined) ??
        (ofOwnList ? stated : undefined) ??
        introspectionLists.get(coordinate) ??
        length.assumed;
      const occurrences = lists === 0 ? times : times * own * assumedListSize ** (lists - 1);
      totals.values += occurrences;
      totals.objects += occurrences * weight + times * ofArguments;
      inner?.(totals, occurrences, variables, ofOwnList ? undefined : stated);
    };
  };

  const weightOf = (type: GraphQLNamedType): number => {
    const types = isAbstractType(type) ? [type, ...schema.getPossibleTypes(type)] : [type];
    const given = types.flatMap(({ name }) => weights.get(name) ?? []);
    return given.length > 0 ? Math.max(...given) : isCompositeType(type) ? 1 : 0;
  };

  const compositeOf = (type: GraphQLNamedType, selected: readonly Selected[], sized: readonly string[]): Add => {
    const from = subselectionsOf(selected);
    const ofType = (typename: string) => collectFields(schema, typename, from, fragments);
    if (!isAbstractType(type)) return objectOf(type.name, ofType(type.name), sized);
    // Most types of an interface have the same fields selected: each selection counts once.
    const bySelection = new Map(
      schema.getPossibleTypes(type).map(({ name }) => {
        const fields = ofType(name);
        return [JSON.stringify(keyOf(fields)), [name, fields]] as const;
      }),
    );
    const adds = [...bySelection.values()].map(([name, fields]) => objectOf(name, fields, sized));
    if (adds.length === 1) return adds[0] as Add;
    return (totals, times, variables, inherited) => {
      let objects = 0;
      let values = 0;
      for (const add of adds) {
        const one = { objects: 0, values: 0, introspected: 0 };
        add(one, times, variables, inherited);
        objects = Math.max(objects, one.objects);
        values = Math.max(values, one.values);
      }
      totals.objects += objects;
      totals.values += values;
    };
  };

  const root = schema.getRootType(operation.operation);
  if (!root) throw new Error(`The schema has no ${operation.operation}.`);
  const from = [{ selectionSet: operation.selectionSet, conditions: [] }];
  const add = objectOf(root.name, collectFields(schema, root.name, from, fragments), []);
  return (variables) => {
    const totals = { objects: 0, values: 0, introspected: 0 };
    add(totals, 1, variables, undefined);
    return totals;
  };
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
