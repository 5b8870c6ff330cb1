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

/** How much introspection of one schema gives. */
export type IntrospectionSize = {
  /** Lengths of its lists, by coordinates such as `__Type.fields`: the average where there are several. */
  readonly lists: ReadonlyMap<string, number>;
  /** Values that one operation may introspect. */
  readonly limit: number;
};

/** One operation may introspect as much as this many whole introspections. */
const WHOLE_INTROSPECTIONS = 4;

/** Measures the introspection of a schema, so that an operation that introspects is bounded by the schema it reads. */
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
  return { lists, limit: WHOLE_INTROSPECTIONS * estimate({}).introspected };
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

/** At least 1: a list that is mostly empty is not free. */
const average = (lengths: readonly number[]): number =>
  Math.max(1, Math.ceil(lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length)));
