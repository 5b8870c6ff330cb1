import {
  type GraphQLError,
  type GraphQLField,
  type GraphQLFormattedError,
  GraphQLList,
  type GraphQLOutputType,
  type GraphQLSchema,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';

/* Compares the errors of a response with those of graphql-js. */

export type Path = readonly (string | number)[];
/** Returns the paths of errors, as JSON. */
export const pathsOf = (errors: readonly GraphQLFormattedError[] | readonly GraphQLError[] | undefined): string[] =>
  (errors ?? []).map(({ path }) => JSON.stringify(path ?? null));

/** The same schema with all fields nullable, so that every error stays at its path. */
export const makeNullable = (schema: GraphQLSchema): GraphQLSchema => {
  const strip = (type: GraphQLOutputType): GraphQLOutputType => {
    if (isNonNullType(type)) return strip(type.ofType as GraphQLOutputType);
    return isListType(type) ? new GraphQLList(strip(type.ofType as GraphQLOutputType)) : type;
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if ((!isObjectType(type) && !isInterfaceType(type)) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const { resolve, type: declared } = field as GraphQLField<unknown, unknown>;
      field.type = strip(declared);
      if (isInterfaceType(type) || !resolve || !isNonNullType(declared)) continue;
      field.resolve = async (...given) => {
        const value = await resolve(...given);
        if (value === null) throw new Error('null');
        return value;
      };
    }
  }
  return schema;
};

export const startsWith = (path: Path, start: Path): boolean => start.every((step, index) => path[index] === step);

/** Returns the path of the null on the way to an error. */
export const findNull = (data: unknown, path: Path): Path => {
  let value = data;
  for (const [index, step] of path.entries()) {
    if (value === null || value === undefined) return path.slice(0, index);
    value = (value as Record<string | number, unknown>)[step];
  }
  return path;
};
