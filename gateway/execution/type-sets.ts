import { type GraphQLSchema, getNamedType, isAbstractType, isInterfaceType, isObjectType } from 'graphql';

/** The object types that an object can be of. */
export type TypeSet = ReadonlySet<string>;

/** Answers questions about the possible types of objects. */
export type TypeSets = {
  /** Returns the object types of a type. */
  readonly of: (typename: string) => TypeSet;
  /** Returns the types of the objects in a field. Undefined for meta fields. */
  readonly ofField: (types: TypeSet, field: string) => TypeSet | undefined;
  /** The type of the root of queries. */
  readonly root: TypeSet;
};

/** Creates the type sets of a schema. */
export const createTypeSets = (schema: GraphQLSchema): TypeSets => {
  const known = new Map<string, TypeSet>();
  const of = (typename: string): TypeSet => {
    const existing = known.get(typename);
    if (existing) return existing;
    const type = schema.getType(typename);
    const set = new Set(isAbstractType(type) ? schema.getPossibleTypes(type).map(({ name }) => name) : [typename]);
    known.set(typename, set);
    return set;
  };
  const ofField = (types: TypeSet, field: string): TypeSet | undefined => {
    const names = new Set<string>();
    for (const typename of types) {
      const type = schema.getType(typename);
      const found = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field] : undefined;
      if (found) names.add(getNamedType(found.type).name);
    }
    const [first, ...others] = names;
    if (first === undefined) return undefined;
    return others.length === 0 ? of(first) : new Set([...names].flatMap((name) => [...of(name)]));
  };
  return { root: of(schema.getQueryType()?.name ?? ''), of, ofField };
};

export const intersect = (one: TypeSet, other: TypeSet): TypeSet => (one === other ? one : one.intersection(other));
