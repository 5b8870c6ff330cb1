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

/** How long the lists of a field are: reads the length that a request's arguments state, if they state one. */
export type ListLength = {
  readonly stated: (variables: Variables) => number | undefined;
  /** The variables that `stated` reads: only whether they are numbers, and which, or lists, and how long. */
  readonly variables: readonly string[];
  /** The fields of the returned object that have this length; empty: the field itself. */
  readonly sizedFields: readonly string[];
  readonly assumed: number;
};

/** Arguments that are taken for the length of a list where no `@listSize` says so. */
const SLICING_ARGUMENTS = ['first', 'last', 'limit', 'take', 'pageSize', 'perPage'];

/** Fields that are taken for the items of a connection. */
const CONNECTION_FIELDS = ['edges', 'nodes', 'items'];

/**
 * Finds out what the length of a field's lists depends on: `@listSize`; else a slicing argument, of the list itself or
 * of the connection that holds it; else, for a list that is asked for by keys, how many keys are given.
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
      stated: (variables) => largest(readers.map((read) => read(variables)).filter(isLength)),
      variables: variablesOf(node, slicing),
      sizedFields: declared?.sizedFields ?? (isList(definition) ? [] : connectionFieldsOf(definition)),
      assumed,
    };
  }
  const keyed = declared ? [] : definition.args.filter(({ type }) => isListType(getNullableType(type)));
  const readers = keyed.map(({ name }) => createReader(node, definition, name));
  return {
    // A list can be a filter as well, so it is never taken for fewer than nothing stated.
    stated: (variables) => {
      const lengths = readers
        .map((read) => read(variables))
        .flatMap((value) => (Array.isArray(value) ? [value.length] : []));
      return lengths.length > 0 ? Math.max(assumed, ...lengths) : undefined;
    },
    variables: variablesOf(
      node,
      keyed.map(({ name }) => name),
    ),
    sizedFields: declared?.sizedFields ?? [],
    assumed,
  };
};

/** The variables that a field's arguments of these names are given as. */
const variablesOf = ({ arguments: given = [] }: FieldNode, names: readonly string[]): string[] =>
  given.flatMap(({ name, value }) =>
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

/** Reads an argument's value of a request. Of a list it is only known to be one, with its length. */
const createReader = (
  node: FieldNode,
  { args }: GraphQLField<unknown, unknown>,
  wanted: string,
): ((variables: Variables) => unknown) => {
  const byDefault = args.find(({ name }) => name === wanted)?.defaultValue;
  const given = node.arguments?.find(({ name }) => name.value === wanted)?.value;
  if (!given) return () => byDefault;
  if (given.kind === Kind.VARIABLE) {
    const variable = given.name.value;
    return (variables) => (Object.hasOwn(variables, variable) ? variables[variable] : byDefault);
  }
  const literal = readLiteral(given);
  return () => literal;
};

const readLiteral = (value: ValueNode): unknown => {
  if (value.kind === Kind.INT) return Number(value.value);
  return value.kind === Kind.LIST ? value.values : undefined;
};
