import {
  type FieldNode,
  type GraphQLField,
  GraphQLInt,
  getNamedType,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type ValueNode,
} from 'graphql';
import type { ListSize } from './cost-directives.ts';

type Variables = Readonly<Record<string, unknown>>;

/** Determines the length of a field's lists. */
export type ListLength = {
  /** Returns the length stated by the arguments of a request, if any. */
  readonly fromArguments: (variables: Variables) => number | undefined;
  /** The variables that `fromArguments` reads. Only numbers and the lengths of lists matter. */
  readonly variables: readonly string[];
  /** Whether other arguments have a value, such as a filter or a cursor, so that the list may be shorter than usual. */
  readonly isPartial: (variables: Variables) => boolean;
  /** The fields of the returned object that have this length. If empty, the field itself has it. */
  readonly sizedFields: readonly string[];
  /** The length if the arguments state none. */
  readonly assumed: number;
};

/** Arguments treated as the length of a list if there is no `@listSize`. */
const SLICING_ARGUMENTS = ['first', 'last', 'limit', 'take', 'pageSize', 'perPage'];

/** Fields treated as the items of a connection. */
const CONNECTION_FIELDS = ['edges', 'nodes', 'items'];

/**
 * Determines what the length of a field's lists depends on: `@listSize`; otherwise a slicing argument of the list or of its
 * connection; otherwise, for a list requested by keys, the number of keys.
 */
export const createListLength = (
  node: FieldNode,
  definition: GraphQLField<unknown, unknown>,
  declared: ListSize | undefined,
  assumedListSize: number,
): ListLength => {
  const assumed = declared?.assumedSize ?? assumedListSize;
  const slicing =
    declared?.slicingArguments ??
    definition.args
      .filter(({ name, type }) => SLICING_ARGUMENTS.includes(name) && getNullableType(type) === GraphQLInt)
      .map(({ name }) => name);
  if (slicing.length > 0) {
    const readers = slicing.map((name) => createReader(node, definition, name));
    return {
      fromArguments: (variables) => largest(readers.map((read) => read(variables)).filter(isLength)),
      isPartial: createPartialCheck(node, slicing),
      variables: variablesOf(node, slicing),
      sizedFields: declared?.sizedFields ?? (isList(definition) ? [] : connectionFieldsOf(definition)),
      assumed,
    };
  }
  const listArguments = declared ? [] : definition.args.filter(({ type }) => isListType(getNullableType(type)));
  const readers = listArguments.map(({ name }) => createReader(node, definition, name));
  return {
    // A list argument can also be a filter, so it never reduces the length below the assumed one.
    fromArguments: (variables) => {
      const lengths = readers
        .map((read) => read(variables))
        .flatMap((value) => (Array.isArray(value) ? [value.length] : []));
      return lengths.length > 0 ? Math.max(assumed, ...lengths) : undefined;
    },
    isPartial: () => false,
    variables: variablesOf(
      node,
      listArguments.map(({ name }) => name),
    ),
    sizedFields: declared?.sizedFields ?? [],
    assumed,
  };
};

/** Creates a function that returns whether any argument but those of these names has a value. */
const createPartialCheck = (
  { arguments: args = [] }: FieldNode,
  names: readonly string[],
): ((variables: Variables) => boolean) => {
  const values = args.flatMap(({ name, value }) => (names.includes(name.value) ? [] : [value]));
  return (variables) =>
    values.some((value) =>
      value.kind === Kind.VARIABLE ? (variables[value.name.value] ?? null) !== null : value.kind !== Kind.NULL,
    );
};

/** Returns the variables passed to the arguments of these names. */
const variablesOf = ({ arguments: args = [] }: FieldNode, names: readonly string[]): string[] =>
  args.flatMap(({ name, value }) =>
    names.includes(name.value) && value.kind === Kind.VARIABLE ? [value.name.value] : [],
  );

const isList = ({ type }: GraphQLField<unknown, unknown>): boolean => isListType(getNullableType(type));

const isLength = (value: unknown): value is number => typeof value === 'number' && value >= 0;

const largest = (lengths: readonly number[]): number | undefined =>
  lengths.length > 0 ? Math.max(...lengths) : undefined;

const connectionFieldsOf = ({ type }: GraphQLField<unknown, unknown>): string[] => {
  const named = getNamedType(type);
  if (!isObjectType(named) && !isInterfaceType(named)) return [];
  const fields = named.getFields();
  return CONNECTION_FIELDS.filter((name) => fields[name] && isListType(getNullableType(fields[name].type)));
};

/** Creates a function that reads an argument's value. For a literal list, only the number of items is meaningful. */
const createReader = (
  node: FieldNode,
  { args }: GraphQLField<unknown, unknown>,
  argumentName: string,
): ((variables: Variables) => unknown) => {
  const defaultValue = args.find(({ name }) => name === argumentName)?.defaultValue;
  const valueNode = node.arguments?.find(({ name }) => name.value === argumentName)?.value;
  if (!valueNode) return () => defaultValue;
  if (valueNode.kind === Kind.VARIABLE) {
    const variable = valueNode.name.value;
    return (variables) => (Object.hasOwn(variables, variable) ? variables[variable] : defaultValue);
  }
  const literal = readLiteral(valueNode);
  return () => literal;
};

const readLiteral = (value: ValueNode): unknown => {
  if (value.kind === Kind.INT) return Number(value.value);
  return value.kind === Kind.LIST ? value.values : undefined;
};

/** Returns how many lists a field's type nests. */
export const countLists = ({ type }: GraphQLField<unknown, unknown>): number => {
  let lists = 0;
  let inner = getNullableType(type);
  while (isListType(inner)) {
    lists += 1;
    inner = getNullableType(inner.ofType);
  }
  return lists;
};
