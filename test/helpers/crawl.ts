import { readFileSync } from 'node:fs';
import { buildSchema, type GraphQLObjectType, getNamedType, isObjectType } from 'graphql';
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

/** Returns all leaf values of an answer. */
export const leavesOf = (value: unknown): unknown[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [value];
