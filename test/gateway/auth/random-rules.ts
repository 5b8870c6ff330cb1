import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  parse,
  print,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import type { Random } from '../../helpers/random-operation.ts';

/*
 * Random access rules, and what they forbid by the plainest way to find out: no caches, no program, each field by itself.
 */

/** What a type or a field requires: a sender, and one of some lists of scopes. */
export type RandomRule = { readonly authenticated: boolean; readonly scopes: readonly (readonly string[])[] };

/** Rules by the coordinate of their type or field. */
export type RandomRules = ReadonlyMap<string, RandomRule>;

const SCOPES = ['a', 'b', 'c'];

/** The scopes of a sender. Undefined for one that is anonymous. */
export type RandomSender = readonly string[] | undefined;

export const randomSender = (random: Random): RandomSender =>
  random.chance(0.3) ? undefined : SCOPES.filter(() => random.chance(0.5));

const randomRule = (random: Random): RandomRule => ({
  authenticated: random.chance(0.4),
  scopes: Array.from({ length: random.below(3) }, () => SCOPES.filter(() => random.chance(0.4))),
});

/** Protects some of a schema's types and fields. */
export const randomRules = (schema: GraphQLSchema, random: Random): RandomRules => {
  const rules = new Map<string, RandomRule>();
  for (const type of Object.values(schema.getTypeMap())) {
    if (/^(__|String$|Int$|Float$|Boolean$|ID$)/.test(type.name) || isAbstractType(type) || isInputObjectType(type))
      continue;
    if (!/^(Query|Mutation)$/.test(type.name) && random.chance(0.1)) rules.set(type.name, randomRule(random));
    for (const field of isObjectType(type) ? Object.keys(type.getFields()) : []) {
      if (random.chance(0.12)) rules.set(`${type.name}.${field}`, randomRule(random));
    }
  }
  return rules;
};

const LINKS = `extend schema
  @link(url: "https://specs.apollo.dev/authenticated/v0.1", import: [{ name: "@authenticated", as: "@known" }], for: SECURITY)
  @link(url: "https://specs.apollo.dev/requiresScopes/v0.1", for: SECURITY)
  scalar requiresScopes__Scope
  directive @known on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
  directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM`;

/** Writes rules into a supergraph, as composition would. */
export const withRules = (supergraphSdl: string, rules: RandomRules): string => {
  const [extension, ...definitions] = parse(LINKS).definitions;
  const links = extension?.kind === Kind.SCHEMA_EXTENSION ? (extension.directives ?? []) : [];
  const directivesOf = (coordinate: string) => {
    const { authenticated, scopes } = rules.get(coordinate) ?? { authenticated: false, scopes: [] };
    const applied = [
      ...(authenticated ? ['@known'] : []),
      ...(scopes.length > 0 ? [`@requiresScopes(scopes: ${JSON.stringify(scopes)})`] : []),
    ];
    const [scalar] = parse(`scalar Any ${applied.join(' ')}`, { noLocation: true }).definitions;
    return scalar?.kind === Kind.SCALAR_TYPE_DEFINITION ? (scalar.directives ?? []) : [];
  };
  const document = parse(supergraphSdl, { noLocation: true });
  const changed = document.definitions.map((definition) => {
    if (definition.kind === Kind.SCHEMA_DEFINITION) {
      return { ...definition, directives: [...(definition.directives ?? []), ...links] };
    }
    if (!('name' in definition) || !definition.name || definition.kind === Kind.DIRECTIVE_DEFINITION) return definition;
    const { value: typename } = definition.name;
    const fields =
      definition.kind === Kind.OBJECT_TYPE_DEFINITION
        ? (definition.fields ?? []).map((field) => ({
            ...field,
            directives: [...(field.directives ?? []), ...directivesOf(`${typename}.${field.name.value}`)],
          }))
        : undefined;
    const directives = [...(definition.directives ?? []), ...directivesOf(typename)];
    return { ...definition, directives, ...(fields && { fields }) };
  });
  return print({ kind: Kind.DOCUMENT, definitions: [...changed, ...definitions] as DocumentNode['definitions'] });
};

/** Returns whether a sender may read a field that is selected on a type. */
export const mayRead = (
  schema: GraphQLSchema,
  rules: RandomRules,
  sender: RandomSender,
  typename: string,
  field: string,
): boolean => {
  const satisfies = (coordinate: string): boolean => {
    const rule = rules.get(coordinate);
    if (!rule) return true;
    const hasScopes = rule.scopes.length === 0 || rule.scopes.some((all) => all.every((one) => sender?.includes(one)));
    return hasScopes && (!rule.authenticated || sender !== undefined);
  };
  const type = schema.getType(typename);
  const objects = isAbstractType(type) ? schema.getPossibleTypes(type) : isObjectType(type) ? [type] : [];
  return objects.every((object) => {
    const definition = object.getFields()[field];
    const returned = definition ? getNamedType(definition.type).name : '';
    return [object.name, `${object.name}.${field}`, returned].every(satisfies);
  });
};

export type Judged = {
  /** The operation without fragments and conditions. */
  readonly document: DocumentNode;
  /** The fields that are not fetched: unauthorized, below such a field, or of an object of which nothing else is selected. */
  readonly removed: ReadonlySet<FieldNode>;
  readonly isEntirelyRemoved: boolean;
};

/** Finds the fields of an operation that a sender may not read. */
export const judge = (
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
  may: (typename: string, field: string) => boolean,
): Judged => {
  const flat = inlineAll(document, variables);
  const removed = new Set<FieldNode>();
  const isRemoved = ({ selections }: SelectionSetNode): boolean => {
    const fields = fieldsIn(selections);
    return fields.length > 0 && fields.every((field) => removed.has(field));
  };
  const walk = (typename: string, selections: readonly SelectionNode[], isBelow: boolean): void => {
    for (const node of selections) {
      if (node.kind === Kind.INLINE_FRAGMENT) {
        walk(node.typeCondition?.name.value ?? typename, node.selectionSet.selections, isBelow);
      } else if (node.kind === Kind.FIELD && !node.name.value.startsWith('__')) {
        const type = schema.getType(typename);
        const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
        const isForbidden = isBelow || !may(typename, node.name.value);
        if (isForbidden) removed.add(node);
        if (node.selectionSet && field) {
          walk(getNamedType(field.type).name, node.selectionSet.selections, isForbidden);
          if (isRemoved(node.selectionSet)) removed.add(node);
        }
      }
    }
  };
  const [operation] = flat.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('There is no operation.');
  walk(schema.getRootType(operation.operation)?.name ?? '', operation.selectionSet.selections, false);
  return { document: flat, removed, isEntirelyRemoved: isRemoved(operation.selectionSet) };
};

const fieldsIn = (selections: readonly SelectionNode[]): FieldNode[] =>
  selections.flatMap((node) => {
    if (node.kind === Kind.FIELD) return [node];
    return node.kind === Kind.INLINE_FRAGMENT ? fieldsIn(node.selectionSet.selections) : [];
  });

/** Replaces fragments and leaves out what `@skip` and `@include` exclude. Each field is an object of its own. */
const inlineAll = (document: DocumentNode, variables: Readonly<Record<string, unknown>>): DocumentNode => {
  const [operation] = document.definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
  if (!operation) throw new Error('There is no operation.');
  const fragments = new Map(
    document.definitions.flatMap((one) => (one.kind === Kind.FRAGMENT_DEFINITION ? [[one.name.value, one]] : [])),
  );
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map(({ variable, defaultValue }) => [
      variable.name.value,
      defaultValue?.kind === Kind.BOOLEAN ? defaultValue.value : undefined,
    ]),
  );
  const isIncluded = ({ directives = [] }: SelectionNode): boolean =>
    directives.every(({ name, arguments: [argument] = [] }) => {
      const value =
        argument?.value.kind === Kind.VARIABLE
          ? (variables[argument.value.name.value] ?? defaults.get(argument.value.name.value))
          : argument?.value.kind === Kind.BOOLEAN && argument.value.value;
      return value === (name.value === 'include');
    });
  const inline = ({ selections }: SelectionSetNode): SelectionSetNode => ({
    kind: Kind.SELECTION_SET,
    selections: selections.filter(isIncluded).map((node): SelectionNode => {
      const fragment = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : undefined;
      if (fragment) {
        const { typeCondition, selectionSet } = fragment;
        return { kind: Kind.INLINE_FRAGMENT, typeCondition, selectionSet: inline(selectionSet) };
      }
      if (node.kind === Kind.FRAGMENT_SPREAD) return node;
      const { directives: _, ...rest } = node;
      return { ...rest, ...(node.selectionSet && { selectionSet: inline(node.selectionSet) }) } as SelectionNode;
    }),
  });
  return { ...document, definitions: [{ ...operation, selectionSet: inline(operation.selectionSet) }] };
};

/** Returns the coordinates of the fields that a subgraph's request selects. */
export const selectedIn = (schema: GraphQLSchema, query: string): string[] => {
  const found: string[] = [];
  const document = parse(query);
  const fragments = new Map(
    document.definitions.flatMap((one) => (one.kind === Kind.FRAGMENT_DEFINITION ? [[one.name.value, one]] : [])),
  );
  const walk = (typename: string, { selections }: SelectionSetNode): void => {
    for (const node of selections) {
      if (node.kind !== Kind.FIELD) {
        const inner = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
        if (inner) walk(inner.typeCondition?.name.value ?? typename, inner.selectionSet);
        continue;
      }
      const type = schema.getType(typename);
      const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
      if (field) found.push(`${typename}.${node.name.value}`);
      if (node.selectionSet) walk(field ? getNamedType(field.type).name : '', node.selectionSet);
    }
  };
  visit(document, {
    OperationDefinition: ({ operation, selectionSet }) => walk(schema.getRootType(operation)?.name ?? '', selectionSet),
  });
  return found;
};
