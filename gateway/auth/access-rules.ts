import {
  type ConstDirectiveNode,
  type DocumentNode,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLSchema,
  GraphQLString,
  getNamedType,
  isAbstractType,
  isInterfaceType,
  isObjectType,
  isTypeDefinitionNode,
  isTypeExtensionNode,
  valueFromAST,
} from 'graphql';
import { type Link, linksOf } from '../supergraph/links.ts';

/** One requirement of a field or a type. If there are several, a request must satisfy all of them. */
export type AccessRule = {
  readonly kind: AccessDirective;
  /** Scopes or policies: one of the lists is needed, with everything in it. Empty for `authenticated`. */
  readonly anyOf: readonly (readonly string[])[];
  /** Identifies the rule. Equal rules of a supergraph are one object. */
  readonly key: string;
};

export type AccessRules = {
  /** Returns the rules of a field that is selected on a type. On an abstract type, those of all its object types. */
  readonly ofField: (typename: string, field: string) => readonly AccessRule[];
};

/** Apollo's access directives, each with the argument that has its scopes or policies. */
const ARGUMENTS = { authenticated: undefined, requiresScopes: 'scopes', policy: 'policies' } as const;
type AccessDirective = keyof typeof ARGUMENTS;

const isAccessDirective = (name: string | undefined): name is AccessDirective =>
  name !== undefined && Object.hasOwn(ARGUMENTS, name);

/** Returns the access directive that a link makes available, in whatever version. */
export const accessDirectiveOf = ({ apollo }: Link): AccessDirective | undefined =>
  isAccessDirective(apollo?.name) ? apollo.name : undefined;

/** Returns whether a link makes available an access directive in a version that is enforced. */
export const isEnforced = (link: Link): boolean =>
  accessDirectiveOf(link) !== undefined && link.by !== 'core' && link.apollo?.version === '0.1';

/**
 * Reads the access rules of a supergraph: `@authenticated`, `@requiresScopes` and `@policy` on fields, objects, interfaces,
 * scalars and enums, under whatever names it imports them. Returns undefined if it has none. Throws if one cannot be read.
 *
 * Composition gives an interface the rules of all its implementations. A rule of an interface that does not follow from its
 * implementations was written on the interface itself, by a composition without the fix of GHSA-mx7m-j9xf-62hw. It applies to
 * all of them, or a fragment on one of them would go around it.
 */
export const readAccessRules = (supergraph: DocumentNode, schema: GraphQLSchema): AccessRules | undefined => {
  const declared = readDeclared(supergraph);
  if (declared.size === 0) return undefined;
  const effective = inherit(declared, schema);
  const cache = new Map<string, readonly AccessRule[]>();

  const collect = (typename: string, field: string): readonly AccessRule[] => {
    const type = schema.getType(typename);
    const objects = isAbstractType(type) ? schema.getPossibleTypes(type) : [];
    const found = new Set<AccessRule>();
    for (const one of [type, ...objects]) {
      if (!isObjectType(one) && !isInterfaceType(one)) continue;
      const definition = one.getFields()[field];
      const returned = definition ? getNamedType(definition.type).name : '';
      for (const coordinate of [one.name, `${one.name}.${field}`, returned]) {
        for (const rule of effective.get(coordinate) ?? []) found.add(rule);
      }
    }
    return [...found];
  };

  return {
    ofField: (typename, field) => {
      const coordinate = `${typename}.${field}`;
      const rules = cache.get(coordinate) ?? collect(typename, field);
      cache.set(coordinate, rules);
      return rules;
    },
  };
};

/** Returns all scopes that a supergraph names. */
export const requiredScopesOf = (supergraph: DocumentNode): ReadonlySet<string> =>
  new Set(
    [...readDeclared(supergraph).values()]
      .flat()
      .flatMap(({ kind, anyOf }) => (kind === 'requiresScopes' ? anyOf.flat() : [])),
  );

/** Rules by the coordinate of their type or field, e.g. `User` or `User.email`. */
type RulesByCoordinate = ReadonlyMap<string, readonly AccessRule[]>;

const readDeclared = (supergraph: DocumentNode): RulesByCoordinate => {
  const directives = new Map<string, AccessDirective>();
  for (const link of linksOf(supergraph)) {
    const directive = accessDirectiveOf(link);
    if (directive) for (const name of link.namesOf(directive)) directives.set(name, directive);
  }
  const interned = new Map<string, AccessRule>();
  const declared = new Map<string, readonly AccessRule[]>();
  const read = (coordinate: string, applied: readonly ConstDirectiveNode[] = []): void => {
    const rules = applied.flatMap((directive) => {
      const kind = directives.get(directive.name.value);
      const rule = kind && readRule(kind, directive);
      if (!rule) return [];
      interned.set(rule.key, interned.get(rule.key) ?? rule);
      return interned.get(rule.key) ?? rule;
    });
    if (rules.length > 0) declared.set(coordinate, [...(declared.get(coordinate) ?? []), ...rules]);
  };
  for (const definition of directives.size > 0 ? supergraph.definitions : []) {
    if (!isTypeDefinitionNode(definition) && !isTypeExtensionNode(definition)) continue;
    const typename = definition.name.value;
    read(typename, definition.directives);
    const fields = 'fields' in definition ? (definition.fields ?? []) : [];
    for (const { name, directives: applied } of fields) read(`${typename}.${name.value}`, applied);
  }
  return declared;
};

const LISTS = new GraphQLNonNull(
  new GraphQLList(new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(GraphQLString)))),
);

/** Returns undefined for a directive that every request satisfies: as in Apollo's composition, an empty list needs nothing. */
const readRule = (kind: AccessDirective, directive: ConstDirectiveNode): AccessRule | undefined => {
  const argument = ARGUMENTS[kind];
  if (!argument) return { kind, anyOf: [], key: `@${kind}` };
  const value = directive.arguments?.find(({ name }) => name.value === argument)?.value;
  const lists = valueFromAST(value, LISTS) as readonly (readonly string[])[] | undefined;
  if (!lists) throw new Error(`it has a @${kind} without a list of lists of strings`);
  if (lists.length === 0 || lists.some((list) => list.length === 0)) return undefined;
  const anyOf = lists.map((list) => [...new Set(list)].sort());
  return { kind, anyOf, key: `@${kind} ${JSON.stringify(anyOf.sort())}` };
};

/** Applies to implementations the rules of their interfaces that do not follow from the implementations' own. */
const inherit = (declared: RulesByCoordinate, schema: GraphQLSchema): RulesByCoordinate => {
  const effective = new Map<string, ReadonlySet<AccessRule>>();
  const add = (coordinate: string, rules: readonly AccessRule[]): void => {
    if (rules.length > 0) effective.set(coordinate, new Set([...(effective.get(coordinate) ?? []), ...rules]));
  };
  for (const [coordinate, rules] of declared) {
    const [typename = '', field] = coordinate.split('.');
    const type = schema.getType(typename);
    if (!isInterfaceType(type)) {
      add(coordinate, rules);
      continue;
    }
    const members = schema.getPossibleTypes(type).map(({ name }) => (field === undefined ? name : `${name}.${field}`));
    const given = [...new Set(members.flatMap((member) => declared.get(member) ?? []))];
    const own = rules.filter((rule) => !follows(rule, given));
    for (const one of [coordinate, ...members]) add(one, own);
  }
  return new Map([...effective].map(([coordinate, rules]) => [coordinate, [...rules]]));
};

/** Returns whether every request that satisfies all the given rules also satisfies another one. */
const follows = ({ kind, anyOf }: AccessRule, given: readonly AccessRule[]): boolean => {
  const same = given.filter((rule) => rule.kind === kind);
  if (kind === 'authenticated') return same.length > 0;
  // The sets of scopes or policies that satisfy all given rules, without those that contain another one.
  const sufficient = same.reduce<readonly ReadonlySet<string>[]>(
    (sets, rule) => minimal(sets.flatMap((set) => rule.anyOf.map((all) => set.union(new Set(all))))),
    [new Set()],
  );
  return sufficient.every((set) => anyOf.some((all) => all.every((one) => set.has(one))));
};

const minimal = (sets: readonly ReadonlySet<string>[]): ReadonlySet<string>[] => {
  const smallest: ReadonlySet<string>[] = [];
  for (const set of sets.toSorted((one, other) => one.size - other.size)) {
    if (!smallest.some((other) => other.isSubsetOf(set))) smallest.push(set);
  }
  return smallest;
};
