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

/** Fields that the query planner adds to an operation: keys, and fields required by `@requires`. */
export type Requirements = {
  readonly calls: RequiredCalls;
  /** Names of all fields that the planner may add: key fields and required fields. */
  readonly fieldNames: ReadonlySet<string>;
  /** Names of the key fields alone. */
  readonly keyFieldNames: ReadonlySet<string>;
  /** Names of the interfaces that are object types in some subgraph, by `@interfaceObject`. */
  readonly interfaceObjects: ReadonlySet<string>;
  /** Returns the names of the sibling fields that a field requires. Empty if it requires none. */
  readonly requiredBy: (typename: string, field: string) => ReadonlySet<string>;
};

/**
 * Required fields that take arguments, by the coordinate of the field that requires them, e.g. `Product.shippingEstimate`.
 *
 * Maps each required field's name to its full selection, e.g. `price` to `price(currency: "USD")`. Omits fields that require
 * nothing with arguments. Includes transitive requirements.
 */
export type RequiredCalls = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Reads the requirements of a supergraph.
 *
 * The planner selects required fields under their schema names. A client may use such a name for the same field with other
 * arguments, or as an alias of another field.
 */
export const readRequirements = (supergraph: DocumentNode, schema: GraphQLSchema): Requirements => {
  const required = new Map<string, SelectionSetNode[]>();
  const names = new Set(['__typename']);
  const keyFieldNames = new Set<string>();
  const interfaceObjects = new Set<string>();
  for (const definition of supergraph.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    for (const key of (definition.directives ?? []).flatMap((one) => selectionsOf(one, 'join__type', 'key'))) {
      addNames(key, keyFieldNames);
    }
    if (definition.directives?.some(isInterfaceObject)) interfaceObjects.add(definition.name.value);
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
    fieldNames: new Set([...names, ...keyFieldNames]),
    keyFieldNames,
    interfaceObjects,
    requiredBy: (typename, field) => {
      const names = new Set<string>();
      for (const [coordinate, selections] of required) {
        const [type = '', name] = coordinate.split('.');
        if (name !== field || !isOfType(schema, typename, type)) continue;
        for (const selectionSet of selections) addTopLevelNames(selectionSet, names);
      }
      return names;
    },
  };
};

/** Prints a field with its arguments in canonical order, so that equal selections have equal text. */
export const printCall = ({ name, arguments: args = [] }: FieldNode): string => {
  const sorted = args.map(print).sort();
  return sorted.length === 0 ? name.value : `${name.value}(${sorted.join(', ')})`;
};

const addNames = (selectionSet: SelectionSetNode, names: Set<string>): void => {
  visit(selectionSet, { Field: ({ name }) => void names.add(name.value) });
};

const addTopLevelNames = ({ selections }: SelectionSetNode, names: Set<string>): void => {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) names.add(selection.name.value);
    else if (selection.kind === Kind.INLINE_FRAGMENT) addTopLevelNames(selection.selectionSet, names);
  }
};

// Source of the directives below: the join specification, https://specs.apollo.dev/join

const isInterfaceObject = ({ name, arguments: args = [] }: ConstDirectiveNode): boolean =>
  name.value === 'join__type' &&
  args.some((one) => one.name.value === 'isInterfaceObject' && one.value.kind === Kind.BOOLEAN && one.value.value);

/** Returns the selections in an argument of a directive. Empty if it is another directive, or has no such argument. */
export const selectionsOf = (
  directive: ConstDirectiveNode,
  directiveName: string,
  argument: string,
): SelectionSetNode[] => {
  if (directive.name.value !== directiveName) return [];
  const value = directive.arguments?.find(({ name }) => name.value === argument)?.value;
  if (value?.kind !== Kind.STRING) return [];
  const [operation] = parse(`{ ${value.value} }`, { noLocation: true }).definitions;
  return operation?.kind === Kind.OPERATION_DEFINITION ? [operation.selectionSet] : [];
};
