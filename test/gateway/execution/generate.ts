import {
  type DocumentNode,
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isNonNullType,
  Kind,
  OverlappingFieldsCanBeMergedRule,
  parse,
  print,
  validate,
  visit,
} from 'graphql';
import { fieldsOf, fragmentTypesOf, type Operation, type Random } from '../../helpers/random-operation.ts';

const ALIASES = ['a', 'b', 'id', 'name', 'weight', 'constructor', '__proto__', 'toString', 'representations'];

/**
 * Generates a random operation that a schema allows: nested selections with aliases, fragments of both kinds on types and
 * interfaces, arguments with and without variables, `@skip` and `@include`.
 */
export const generateOperation = (schema: GraphQLSchema, random: Random): Operation => {
  const { query, variables } = draftOperation(schema, random);
  const document = resolveConflicts(schema, parse(query, { noLocation: true }));
  return { query: print(document), variables };
};

// Each round changes the fields that are part of a conflict, which may then be part of another.
const MAX_ROUNDS = 8;

/** Gives fields that cannot be merged with others of their name an alias of their own. */
const resolveConflicts = (schema: GraphQLSchema, document: DocumentNode): DocumentNode => {
  let resolved = document;
  let aliases = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const conflicts = validate(schema, resolved, [OverlappingFieldsCanBeMergedRule]);
    if (conflicts.length === 0) break;
    const fields = new Set<unknown>(conflicts.map(({ nodes }) => nodes?.at(-1)));
    resolved = visit(resolved, {
      Field: {
        leave: (node) => {
          if (!fields.has(node)) return undefined;
          return { ...node, alias: { kind: Kind.NAME, value: `other${aliases++}` } };
        },
      },
    });
  }
  return resolved;
};

const draftOperation = (schema: GraphQLSchema, random: Random): Operation => {
  const kind = random.chance(0.1) ? 'mutation' : 'query';
  const definitions: string[] = [];
  const variables: Record<string, unknown> = {};
  const fragments: string[] = [];
  let budget = 40;

  const define = (name: string, type: string, value: unknown): void => {
    if (definitions.some((definition) => definition.startsWith(`$${name}:`))) return;
    definitions.push(`$${name}: ${type}`);
    if (value !== undefined) variables[name] = value;
  };

  const directive = (): string => {
    if (!random.chance(0.15)) return '';
    const condition = random.pick(['$yes', '$no', 'true', 'false']);
    if (condition === '$yes') define('yes', 'Boolean!', random.chance(0.5));
    if (condition === '$no') define('no', 'Boolean = false', random.chance(0.5) ? random.chance(0.5) : undefined);
    return ` @${random.pick(['skip', 'include'])}(if: ${condition})`;
  };

  const someValue = ({ name, type }: GraphQLArgument): unknown => {
    const named = getNamedType(type).name;
    if (name === 'input') return { id: String(1 + random.below(12)), ...(random.chance(0.5) && { title: 'x' }) };
    if (named === 'Int') return random.below(4);
    if (named === 'Boolean') return random.chance(0.5);
    return name === 'unit' ? random.pick(['kg', 'lb', 'g']) : String(1 + random.below(14));
  };

  const literal = (value: unknown): string =>
    typeof value === 'object' && value !== null
      ? `{ ${Object.entries(value)
          .map(([name, inner]) => `${name}: ${JSON.stringify(inner)}`)
          .join(', ')} }`
      : JSON.stringify(value);

  const argumentsOf = (field: GraphQLField<unknown, unknown>): string => {
    const given = field.args
      .filter(({ type }) => isNonNullType(type) || random.chance(0.6))
      .map((argument) => {
        const value = someValue(argument);
        if (random.chance(0.6)) return `${argument.name}: ${literal(value)}`;
        const name =
          random.chance(0.1) && !('representations' in variables) ? 'representations' : `v${definitions.length}`;
        define(name, String(argument.type), value);
        return `${argument.name}: $${name}`;
      });
    return given.length > 0 ? `(${given.join(', ')})` : '';
  };

  const selection = (type: GraphQLCompositeType, depth: number): string => {
    const fields = fieldsOf(type).filter((field) => depth > 0 || !isCompositeType(getNamedType(field.type)));
    const parts: string[] = [];
    const count = 1 + random.below(depth > 2 ? 5 : 4);
    for (let index = 0; index < count && budget > 0; index++) {
      budget -= 1;
      const kindOf = random.next();
      if (kindOf < 0.08) parts.push(`${random.chance(0.3) ? 'kind: ' : ''}__typename`);
      else if (kindOf < 0.3 || fields.length === 0) {
        const on = random.pick(fragmentTypesOf(schema, type));
        const inner = selection(on, depth);
        if (random.chance(0.3)) {
          fragments.push(`fragment F${fragments.length} on ${on.name} ${inner}`);
          parts.push(`...F${fragments.length - 1}${directive()}`);
        } else parts.push(`...${on === type && random.chance(0.5) ? '' : ` on ${on.name}`}${directive()} ${inner}`);
      } else {
        const field = random.pick(fields);
        const named = getNamedType(field.type);
        const alias = random.chance(0.1) ? `${random.pick(ALIASES)}: ` : '';
        const inner = isCompositeType(named) ? ` ${selection(named, depth - 1)}` : '';
        parts.push(`${alias}${field.name}${argumentsOf(field)}${directive()}${inner}`);
      }
    }
    if (parts.length === 0) parts.push('__typename');
    return `{ ${parts.join(' ')} }`;
  };

  const root = schema.getRootType(kind as never);
  if (!root) throw new Error(`The schema has no ${kind}.`);
  const body = selection(root, 4);
  const defined = definitions.length > 0 ? `(${definitions.join(', ')})` : '';
  return { query: `${kind} Random${defined} ${body} ${fragments.join(' ')}`, variables };
};
