import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { API_SCHEMA_FILE } from '../../gateway/supergraph/files.ts';

const schema = buildSchema(readFileSync(API_SCHEMA_FILE, 'utf8'));

const select = (type: GraphQLObjectType, fields: ReadonlySet<string>, depth: number): string =>
  Object.values(type.getFields())
    .filter(({ name }) => fields.has(`${type.name}.${name}`))
    .flatMap(({ name, args, type: returned }) => {
      const inner = getNamedType(returned);
      if (!isObjectType(inner)) return name;
      const selection = depth > 0 ? select(inner, fields, depth - 1) : '';
      const paging = args.some((arg) => arg.name === 'first') ? '(first: 100)' : '';
      return selection ? `${name}${paging} { ${selection} }` : [];
    })
    .join(' ');

/** Selects everything that is reached from a type through some fields, by coordinate, over `depth` objects in a row. */
export const selectAll = (typename: string, fields: ReadonlySet<string>, depth: number): string =>
  select(schema.getType(typename) as GraphQLObjectType, fields, depth);

/** A root field that looks up one record by its ID or a customer's address. */
export type Lookup = {
  readonly field: string;
  readonly key: 'id' | 'email';
  readonly keyType: string;
  /** The type of the record. */
  readonly type: string;
};

const rootFields = (fields: ReadonlySet<string>) =>
  Object.values(schema.getQueryType()?.getFields() ?? {}).filter(({ name }) => fields.has(`Query.${name}`));

/** Returns the lookups among some fields, by coordinate. */
export const lookupsWith = (fields: ReadonlySet<string>): Lookup[] =>
  rootFields(fields).flatMap(({ name, args, type }) =>
    args.flatMap((arg): Lookup[] => {
      const key = arg.name;
      if (key !== 'id' && key !== 'email') return [];
      return [{ field: name, key, keyType: getNamedType(arg.type).name, type: getNamedType(type).name }];
    }),
  );

/** Returns the root fields among some fields that are lists, with the type of their records. */
export const listsWith = (fields: ReadonlySet<string>): { readonly field: string; readonly type: string }[] =>
  rootFields(fields).flatMap(({ name, type }) => {
    const [, node] = /^(\w+)Connection$/.exec(getNamedType(type).name) ?? [];
    return node ? [{ field: name, type: node }] : [];
  });

/** Returns all leaf values of an answer. */
export const leavesOf = (value: unknown): unknown[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [value];

/** Returns an answer without the fields that are not among some, by coordinate: null, up to the next field that can be null. */
export const maskAnswer = (data: unknown, fields: ReadonlySet<string>): unknown =>
  maskObject(schema.getQueryType(), data as Values, fields);

type Values = Readonly<Record<string, unknown>>;

class NullError extends Error {}

const maskObject = (type: unknown, values: Values, fields: ReadonlySet<string>): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const field = isObjectType(type) ? type.getFields()[name] : undefined;
      if (!isObjectType(type) || !field) throw new Error(`There is no field ${name}.`);
      const isAllowed = fields.has(`${type.name}.${name}`);
      return [name, maskValue(field.type, isAllowed ? value : null, fields)];
    }),
  );

const maskValue = (type: GraphQLOutputType, value: unknown, fields: ReadonlySet<string>): unknown => {
  if (isNonNullType(type)) {
    const masked = maskValue(type.ofType, value, fields);
    if (masked === null) throw new NullError();
    return masked;
  }
  if (value === null) return null;
  try {
    if (isListType(type)) return (value as unknown[]).map((item) => maskValue(type.ofType, item, fields));
    return isObjectType(type) ? maskObject(type, value as Values, fields) : value;
  } catch (error) {
    if (error instanceof NullError) return null;
    throw error;
  }
};
