import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNonNull,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
} from 'graphql';
import { fieldsOf, fragmentTypesOf, type Operation, type Random } from '../../helpers/random-operation.ts';

type Nullable = Exclude<GraphQLInputType, GraphQLNonNull<never>>;

type Options = {
  /** Whether to include fields that only the gateway may select, and variables that it would reject. */
  readonly isInternal: boolean;
};

/**
 * Generates a random operation of the generated schema: named fragments that are spread repeatedly under different conditions,
 * fields that are selected several times, arguments of every form, `_entities`, introspection.
 */
export const generateOperation = (schema: GraphQLSchema, random: Random, { isInternal }: Options): Operation => {
  const isMutation = random.chance(0.1);
  const definitions = ['$yes: Boolean!', '$no: Boolean = false'];
  const variables: Record<string, unknown> = { yes: random.chance(0.5) };
  if (random.chance(0.5)) variables['no'] = random.chance(0.5);
  if (isInternal && random.chance(0.05)) variables['no'] = null;
  const fragments: { readonly name: string; readonly on: GraphQLCompositeType; readonly text: string }[] = [];
  let aliases = 0;
  let budget = 40;

  const directives = (): string =>
    ['skip', 'include']
      .filter(() => random.chance(0.1))
      .map((name) => ` @${name}(if: ${random.pick(['$yes', '$no', '$yes', 'true', 'false'])})`)
      .join('');

  /** Generates a variable value as JSON. */
  const jsonOf = (type: GraphQLInputType, depth: number): unknown => {
    if (isInternal && random.chance(0.02)) return random.pick<unknown>([null, 'bad', 1.5, {}, [null]]);
    if (isNonNullType(type)) return plainJsonOf(type.ofType, depth);
    return random.chance(0.1) ? null : plainJsonOf(type, depth);
  };
  const plainJsonOf = (type: Nullable, depth: number): unknown => {
    if (isListType(type)) {
      if (random.chance(0.2)) return jsonOf(type.ofType, depth);
      return Array.from({ length: random.below(3) }, () => jsonOf(type.ofType, depth));
    }
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(({ name }) => name !== 'inner' || depth > 0);
      return Object.fromEntries(
        fields.filter(() => random.chance(0.4)).map((field) => [field.name, jsonOf(field.type, depth - 1)]),
      );
    }
    if (isEnumType(type)) return random.pick(['RED', 'GREEN']);
    if (type.name === 'Int') return random.below(4);
    if (type.name === 'Boolean') return random.chance(0.5);
    return random.pick(['x', 'given']);
  };

  /** Generates a value in a document. It may be or contain variables. */
  const literalOf = (type: GraphQLInputType, depth: number, hasDefault = false): string => {
    if (random.chance(0.3)) {
      const name = `v${definitions.length}`;
      // With a default, a nullable variable is allowed at a non-null position.
      const own = isNonNullType(type) && hasDefault && random.chance(0.5) ? type.ofType : type;
      const standard =
        !isNonNullType(own) && isLeafType(own) && random.chance(0.3) ? ` = ${plainLiteralOf(own, 0)}` : '';
      definitions.push(`$${name}: ${own}${standard}`);
      if (isNonNullType(own) || random.chance(0.7)) variables[name] = jsonOf(own, 1);
      return `$${name}`;
    }
    if (isNonNullType(type)) return plainLiteralOf(type.ofType, depth);
    return random.chance(0.05) ? 'null' : plainLiteralOf(type, depth);
  };
  const plainLiteralOf = (type: Nullable, depth: number): string => {
    if (isListType(type)) {
      const itemType = type.ofType;
      const plainItemType = isNonNullType(itemType) ? itemType.ofType : itemType;
      if (!isListType(plainItemType) && random.chance(0.2)) return plainLiteralOf(plainItemType, depth);
      return `[${Array.from({ length: random.below(3) }, () => literalOf(itemType, depth)).join(', ')}]`;
    }
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(({ name }) => name !== 'inner' || depth > 0);
      const given = fields
        .filter(({ name }) => name !== 'name' && random.chance(0.3))
        .map((field) => `${field.name}: ${literalOf(field.type, depth - 1, field.defaultValue !== undefined)}`);
      return `{ ${[...given, 'name: "literal"'].join(', ')} }`;
    }
    if (isEnumType(type)) return random.pick(['RED', 'GREEN']);
    if (type.name === 'Int') return String(random.below(4));
    return type.name === 'Boolean' ? random.pick(['true', 'false']) : random.pick(['"x"', '"given"']);
  };

  const argumentsOf = (args: readonly GraphQLArgument[]): string => {
    const given = args
      .filter((argument) => isRequiredArgument(argument) || random.chance(0.4))
      .map((argument) => `${argument.name}: ${literalOf(argument.type, 2, argument.defaultValue !== undefined)}`);
    return given.length > 0 ? `(${given.join(', ')})` : '';
  };

  const fieldOf = (field: GraphQLField<unknown, unknown>, depth: number): string => {
    const named = getNamedType(field.type);
    const given = argumentsOf(field.args);
    // A name has the same meaning everywhere, so that fragments can be spread next to each other.
    const alias =
      given || random.chance(0.1) ? `${field.name === 'id' ? random.pick(ALIASES) : `f${aliases++}`}: ` : '';
    const inner = isCompositeType(named) ? ` ${selection(named, depth - 1)}` : '';
    return `${alias}${field.name}${given}${directives()}${inner}`;
  };

  const fragmentOf = (type: GraphQLCompositeType, depth: number): string => {
    const known = fragments.filter(({ on }) => fragmentTypesOf(schema, type).includes(on));
    if (known.length > 0 && random.chance(0.5)) return `...${random.pick(known).name}${directives()}`;
    const on = random.pick(fragmentTypesOf(schema, type));
    if (random.chance(0.4)) {
      return `...${on === type && random.chance(0.5) ? '' : ` on ${on.name}`}${directives()} ${selection(on, depth)}`;
    }
    const text = selection(on, depth);
    const name = `F${fragments.length}`;
    fragments.push({ name, on, text });
    return `...${name}${directives()}`;
  };

  const selection = (type: GraphQLCompositeType, depth: number): string => {
    const fields = fieldsOf(type).filter((field) => depth > 0 || !isCompositeType(getNamedType(field.type)));
    const parts: string[] = [];
    for (let count = 1 + random.below(5); count > 0 && budget > 0; count--) {
      budget -= 1;
      if (random.chance(0.07)) parts.push('__typename');
      else if (fields.length === 0 || random.chance(0.25)) parts.push(fragmentOf(type, depth));
      else parts.push(fieldOf(random.pick(fields), depth));
    }
    return `{ ${parts.length > 0 ? parts.join(' ') : '__typename'} }`;
  };

  const root = isMutation ? schema.getMutationType() : schema.getQueryType();
  if (!root) throw new Error('The schema has no such type.');
  let body = selection(root, 4);
  if (isInternal && !isMutation && random.chance(0.2)) {
    definitions.push('$representations: [_Any!]!');
    variables['representations'] = Array.from({ length: random.below(4) }, () => {
      return { __typename: random.pick(['Item', 'Stone']), id: String(random.below(9)) };
    });
    const entity = schema.getType('_Entity');
    body = `${body.slice(0, -1)} _entities(representations: $representations) ${selection(entity as GraphQLCompositeType, 3)} }`;
  }
  if (isInternal && !isMutation && random.chance(0.1)) body = `${body.slice(0, -1)} ${random.pick(INTROSPECTIONS)} }`;
  const kind = isMutation ? 'mutation' : 'query';
  const texts = [body, ...fragments.map(({ name, on, text }) => `fragment ${name} on ${on.name} ${text}`)].join('\n');
  const used = definitions.filter((definition) => texts.includes(definition.slice(0, definition.indexOf(':'))));
  return { query: `${kind} Random${used.length > 0 ? `(${used.join(', ')})` : ''} ${texts}`, variables };
};

const ALIASES = ['__proto__', 'constructor', 'toString', 'then', 'hasOwnProperty'];

const INTROSPECTIONS = [
  '__type(name: "Item") { name interfaces { name } fields(includeDeprecated: true) { name args { name defaultValue } } }',
  '__schema { queryType { ...T } types { ...T possibleTypes { name } } } } fragment T on __Type { kind name',
  '__type(name: "Nothing") { name }',
];
