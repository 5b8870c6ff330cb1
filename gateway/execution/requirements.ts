import {
  type ConstDirectiveNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  Kind,
  parse,
  print,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { isOfType } from './types.ts';

/** What a planner asks for that no client did. */
export type Requirements = {
  readonly calls: RequiredCalls;
  /** The names of all fields that it may add to an operation: those of keys, and those that others require. */
  readonly names: ReadonlySet<string>;
  /** Of these, the names of keys' fields. */
  readonly keyNames: ReadonlySet<string>;
  /** The names of the fields that a field requires of its own object; none where it requires nothing. */
  readonly requiredBy: (typename: string, field: string) => ReadonlySet<string>;
};

/**
 * For fields such as `Product.shippingEstimate`, what `@requires` asks for with arguments: the name it comes under, and
 * the whole selection, e.g. `price` and `price(currency: "USD")`. Fields that ask for nothing with arguments are left
 * out, and what a required field requires itself is included.
 */
export type RequiredCalls = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Reads the requirements from a supergraph. They matter because a planner takes required fields under their own names,
 * where a client may have asked for the same field with other arguments, or for another field.
 */
export const readRequirements = (supergraph: DocumentNode, schema: GraphQLSchema): Requirements => {
  const required = new Map<string, SelectionSetNode[]>();
  const names = new Set(['__typename']);
  const keyNames = new Set<string>();
  for (const definition of supergraph.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    for (const key of (definition.directives ?? []).flatMap((one) => selectionsOf(one, 'join__type', 'key'))) {
      addNames(key, keyNames);
    }
    for (const { name, directives } of definition.fields ?? []) {
      const selections = (directives ?? []).flatMap((one) => selectionsOf(one, 'join__field', 'requires'));
      for (const selectionSet of selections) addNames(selectionSet, names);
      if (selections.length > 0) required.set(`${definition.name.value}.${name.value}`, selections);
    }
  }

  const collect = (
    typename: string,
    { selections }: SelectionSetNode,
    into: Map<string, string>,
    seen: Set<string>,
  ) => {
    for (const selection of selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        collect(selection.typeCondition?.name.value ?? typename, selection.selectionSet, into, seen);
      } else if (selection.kind === Kind.FIELD) {
        if (selection.arguments?.length) into.set(selection.name.value, printCall(selection));
        const type = schema.getType(typename);
        const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[selection.name.value] : undefined;
        if (selection.selectionSet && field) {
          collect(getNamedType(field.type).name, selection.selectionSet, into, seen);
        }
        add(`${typename}.${selection.name.value}`, into, seen);
      }
    }
  };
  const add = (coordinate: string, into: Map<string, string>, seen: Set<string>): void => {
    if (seen.has(coordinate)) return;
    seen.add(coordinate);
    const [typename = ''] = coordinate.split('.');
    for (const selectionSet of required.get(coordinate) ?? []) collect(typename, selectionSet, into, seen);
  };

  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const coordinate of required.keys()) {
    const calls = new Map<string, string>();
    add(coordinate, calls, new Set());
    if (calls.size > 0) found.set(coordinate, calls);
  }
  return {
    calls: found,
    names: new Set([...names, ...keyNames]),
    keyNames,
    requiredBy: (typename, field) => {
      const own = new Set<string>();
      for (const [coordinate, selections] of required) {
        const [type = '', name] = coordinate.split('.');
        if (name !== field || !isOfType(schema, typename, type)) continue;
        for (const selectionSet of selections) addOwnNames(selectionSet, own);
      }
      return own;
    },
  };
};

/** A field with its arguments in one order, so that two that ask for the same are the same text. */
export const printCall = ({ name, arguments: given = [] }: FieldNode): string => {
  const sorted = given.map(print).sort();
  return sorted.length === 0 ? name.value : `${name.value}(${sorted.join(', ')})`;
};

const addNames = (selectionSet: SelectionSetNode, names: Set<string>): void => {
  visit(selectionSet, { Field: ({ name }) => void names.add(name.value) });
};

const addOwnNames = ({ selections }: SelectionSetNode, names: Set<string>): void => {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) names.add(selection.name.value);
    else if (selection.kind === Kind.INLINE_FRAGMENT) addOwnNames(selection.selectionSet, names);
  }
};

// Source: the join specification, https://specs.apollo.dev/join
const selectionsOf = (directive: ConstDirectiveNode, wanted: string, argument: string): SelectionSetNode[] => {
  if (directive.name.value !== wanted) return [];
  const value = directive.arguments?.find(({ name }) => name.value === argument)?.value;
  if (value?.kind !== Kind.STRING) return [];
  const [operation] = parse(`{ ${value.value} }`, { noLocation: true }).definitions;
  return operation?.kind === Kind.OPERATION_DEFINITION ? [operation.selectionSet] : [];
};
