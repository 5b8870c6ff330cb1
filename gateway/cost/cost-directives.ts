import { type ConstDirectiveNode, type ConstValueNode, type DocumentNode, Kind } from 'graphql';

/** The length of a list, as declared by `@listSize`. */
export type ListSize = {
  readonly assumedSize: number | undefined;
  /** Arguments that set the length. If several are passed, the largest value counts. */
  readonly slicingArguments: readonly string[];
  /** Fields of the returned object that have this length, e.g. `edges` of a connection. If empty, the field itself has it. */
  readonly sizedFields: readonly string[];
};

/** The cost directives of a supergraph, by coordinates: `Product`, `Query.products`, `Query.products(first:)`. */
export type CostDirectives = {
  readonly listSizes: ReadonlyMap<string, ListSize>;
  readonly weights: ReadonlyMap<string, number>;
};

const COST_SPEC = 'https://specs.apollo.dev/cost/';

/**
 * Reads the `@cost` and `@listSize` directives of a supergraph, including renamed imports.
 * Sources: https://specs.apollo.dev/cost and https://ibm.github.io/graphql-specs/cost-spec.html
 */
export const readCostDirectives = (supergraph: DocumentNode): CostDirectives => {
  const names = linkedNames(supergraph);
  const listSizes = new Map<string, ListSize>();
  const weights = new Map<string, number>();
  const read = (coordinate: string, directives: readonly ConstDirectiveNode[] = []): void => {
    for (const directive of directives) {
      const name = directive.name.value;
      if (name === names.cost) {
        const weight = Number(argumentOf(directive, 'weight'));
        // A negative weight would offset the cost of the rest of the operation.
        if (Number.isFinite(weight)) weights.set(coordinate, Math.max(0, weight));
      } else if (name === names.listSize) {
        const assumedSize = argumentOf(directive, 'assumedSize');
        listSizes.set(coordinate, {
          assumedSize: typeof assumedSize === 'number' ? assumedSize : undefined,
          slicingArguments: toStrings(argumentOf(directive, 'slicingArguments')),
          sizedFields: toStrings(argumentOf(directive, 'sizedFields')),
        });
      }
    }
  };
  for (const definition of supergraph.definitions) {
    if (!('name' in definition) || !definition.name || !('directives' in definition)) continue;
    const typename = definition.name.value;
    if (definition.kind === Kind.DIRECTIVE_DEFINITION) continue;
    read(typename, definition.directives as readonly ConstDirectiveNode[]);
    if (!('fields' in definition)) continue;
    for (const field of definition.fields ?? []) {
      const coordinate = `${typename}.${field.name.value}`;
      read(coordinate, field.directives);
      if (field.kind !== Kind.FIELD_DEFINITION) continue;
      for (const { name, directives } of field.arguments ?? []) read(`${coordinate}(${name.value}:)`, directives);
    }
  }
  return { listSizes, weights };
};

/** Returns the names of the directives in the supergraph. `@link` may rename them, or import neither. */
const linkedNames = ({ definitions }: DocumentNode): { readonly cost: string; readonly listSize: string } => {
  const names = { cost: 'cost', listSize: 'listSize' };
  const links = definitions.flatMap((definition) =>
    definition.kind === Kind.SCHEMA_DEFINITION || definition.kind === Kind.SCHEMA_EXTENSION
      ? (definition.directives ?? []).filter(({ name }) => name.value === 'link')
      : [],
  );
  for (const link of links) {
    if (!String(argumentOf(link, 'url')).startsWith(COST_SPEC)) continue;
    const prefix = argumentOf(link, 'as') ?? 'cost';
    names.cost = String(prefix);
    names.listSize = `${prefix}__listSize`;
    const imports = argumentOf(link, 'import');
    for (const one of Array.isArray(imports) ? imports : []) {
      const { name, as = name } = typeof one === 'string' ? { name: one } : (one as { name?: string; as?: string });
      if (name === '@cost') names.cost = String(as).slice(1);
      if (name === '@listSize') names.listSize = String(as).slice(1);
    }
  }
  return names;
};

const argumentOf = ({ arguments: args }: ConstDirectiveNode, argumentName: string): unknown => {
  const value = args?.find(({ name }) => name.value === argumentName)?.value;
  return value && toJson(value);
};

const toJson = (node: ConstValueNode): unknown => {
  switch (node.kind) {
    case Kind.LIST:
      return node.values.map(toJson);
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, toJson(value)]));
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return undefined;
    default:
      return node.value;
  }
};

const toStrings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
