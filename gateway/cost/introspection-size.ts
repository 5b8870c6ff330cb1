import {
  type GraphQLSchema,
  getIntrospectionQuery,
  getOperationAST,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  parse,
} from 'graphql';
import { createEstimate } from './estimate.ts';

/** The size of a schema's introspection. */
export type IntrospectionSize = {
  /** List lengths, by coordinates such as `__Type.fields`. The average if there are several such lists. */
  readonly lists: ReadonlyMap<string, number>;
  /** Maximum number of values that one operation may introspect. */
  readonly limit: number;
};

/** One operation may introspect as much as this many full introspection queries. */
const MAX_FULL_INTROSPECTIONS = 4;

/** Measures a schema's introspection, so that the limit for introspecting operations scales with the schema. */
export const measureIntrospection = (schema: GraphQLSchema): IntrospectionSize => {
  const lists = listLengths(schema);
  const document = parse(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }));
  const operation = getOperationAST(document);
  if (!operation) throw new Error('The introspection query has no operation.');
  const fragments = new Map(
    document.definitions.flatMap((one) => (one.kind === 'FragmentDefinition' ? [[one.name.value, one] as const] : [])),
  );
  const costs = { listSizes: new Map(), weights: new Map() };
  const estimate = createEstimate({
    schema,
    costs,
    operation,
    fragments,
    assumedListSize: 1,
    introspectionLists: lists,
  });
  return { lists, limit: MAX_FULL_INTROSPECTIONS * estimate({}).introspected };
};

const listLengths = (schema: GraphQLSchema): ReadonlyMap<string, number> => {
  const types = Object.values(schema.getTypeMap());
  const composites = types.filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = composites.map((type) => Object.values(type.getFields()));
  return new Map([
    ['__Schema.types', types.length],
    ['__Schema.directives', schema.getDirectives().length],
    ['__Directive.args', average(schema.getDirectives().map(({ args }) => args.length))],
    ['__Directive.locations', average(schema.getDirectives().map(({ locations }) => locations.length))],
    ['__Type.fields', average(fields.map(({ length }) => length))],
    ['__Type.interfaces', average(composites.map((type) => type.getInterfaces().length))],
    ['__Type.possibleTypes', average(types.filter(isAbstractType).map((type) => schema.getPossibleTypes(type).length))],
    ['__Type.enumValues', average(types.filter(isEnumType).map((type) => type.getValues().length))],
    [
      '__Type.inputFields',
      average(types.filter(isInputObjectType).map((type) => Object.keys(type.getFields()).length)),
    ],
    ['__Field.args', average(fields.flat().map(({ args }) => args.length))],
  ]);
};

/** Returns the rounded average, at least 1: a mostly empty list is not free. */
const average = (lengths: readonly number[]): number =>
  Math.max(1, Math.ceil(lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length)));
