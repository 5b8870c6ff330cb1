import { type GraphQLField, type GraphQLSchema, getNamedType, isCompositeType, isObjectType } from 'graphql';
import { fieldsOf, type Operation, type Random } from '../../helpers/random-operation.ts';

/** Values that exist in the sample data, by argument. Each list also has some that do not exist. */
export type Samples = Readonly<
  Record<'customers' | 'emails' | 'companies' | 'deals' | 'payments' | 'invoices' | 'skus', readonly string[]>
>;

const PAGE_SIZES = [1, 1, 2, 3, 5, 10, 40];

/** Generates a valid query of the product's graph, with aliases, fragments, conditions and variables. */
export const generateProductQuery = (schema: GraphQLSchema, random: Random, samples: Samples): Operation => {
  const variables: Record<string, unknown> = { yes: true, no: false };
  const definitions = ['$yes: Boolean!', '$no: Boolean!'];
  let fields = 0;

  const declare = (type: string, value: unknown): string => {
    const name = `v${definitions.length}`;
    definitions.push(`$${name}: ${type}`);
    variables[name] = value;
    return `$${name}`;
  };

  const value = (type: string, sample: unknown): string =>
    random.chance(0.5) ? declare(type, sample) : JSON.stringify(sample);

  const idArgument = (field: string): string => {
    switch (field) {
      case 'customer':
        return random.chance(0.5)
          ? `id: ${value('ID', random.pick(samples.customers))}`
          : `email: ${value('String', random.pick(samples.emails))}`;
      case 'company':
        return `id: ${value('ID!', random.pick(samples.companies))}`;
      case 'deal':
        return `id: ${value('ID!', random.pick(samples.deals))}`;
      case 'payment':
        return `id: ${value('ID!', random.pick(samples.payments))}`;
      case 'invoice':
        return `id: ${value('ID!', random.pick(samples.invoices))}`;
      case 'product':
        return `sku: ${value('ID!', random.pick(samples.skus))}`;
      default: {
        const skus = Array.from({ length: random.below(12) }, () => random.pick(samples.skus));
        return `skus: ${value('[ID!]!', skus)}`;
      }
    }
  };

  const filterOf = (field: string): string | undefined => {
    if (field === 'payments')
      return random.pick(['{ status: SUCCEEDED }', '{}', '{ createdFrom: "2026-01-01T00:00:00Z" }']);
    if (field === 'customers')
      return random.pick(['{ text: "an" }', '{ lifecycleStage: CUSTOMER }', '{}', '{ text: "" }']);
    return random.pick(['{ status: WON }', '{ text: "a" }', '{}']);
  };

  const argumentsOf = (parent: string, { name, args }: GraphQLField<unknown, unknown>): string => {
    const names = args.map((argument) => argument.name);
    const given: string[] = [];
    if (names.includes('first') && random.chance(0.9)) given.push(`first: ${value('Int!', random.pick(PAGE_SIZES))}`);
    if (names.includes('filter') && random.chance(0.4)) given.push(`filter: ${filterOf(name)}`);
    if (parent === 'Query' && !names.includes('first')) given.push(idArgument(name));
    return given.length > 0 ? `(${given.join(', ')})` : '';
  };

  const condition = (): string => {
    if (!random.chance(0.08)) return '';
    return random.pick([' @include(if: $yes)', ' @include(if: $no)', ' @skip(if: $no)', ' @skip(if: $yes)']);
  };

  const select = (typename: string, depth: number): string => {
    const type = schema.getType(typename);
    if (!isObjectType(type)) return '{ __typename }';
    const parts: string[] = [];
    const all = fieldsOf(type);
    const wanted =
      typename.endsWith('Connection') || typename.endsWith('Edge')
        ? all.filter(({ name }) => ['edges', 'node'].includes(name))
        : all;
    const count = wanted.length <= 2 ? wanted.length : 1 + random.below(4);
    for (let index = 0; index < count; index += 1) {
      const field = wanted.length <= 2 ? wanted[index] : random.pick(wanted);
      if (!field) continue;
      const of = getNamedType(field.type);
      if (isCompositeType(of) && (depth === 0 || fields > 60)) continue;
      fields += 1;
      // Aliases: one name with different arguments is invalid.
      const alias = `${field.name}_${fields}`;
      const inner = isCompositeType(of) ? ` ${select(of.name, depth - 1)}` : '';
      const text = `${alias}: ${field.name}${argumentsOf(typename, field)}${condition()}${inner}`;
      parts.push(random.chance(0.15) ? `... on ${typename}${condition()} { ${text} }` : text);
    }
    return `{ __typename ${parts.join(' ')} }`;
  };

  const selection = select('Query', 9);
  const used = definitions.filter((definition) => new RegExp(`\\${definition.split(':')[0]}\\b`).test(selection));
  return { query: `query Q${used.length > 0 ? `(${used.join(', ')})` : ''} ${selection}`, variables };
};
