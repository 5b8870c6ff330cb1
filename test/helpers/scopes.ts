import { readFileSync } from 'node:fs';
import {
  type ConstDirectiveNode,
  type FieldDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  type TypeNode,
} from 'graphql';
import { SUPERGRAPH_FILE } from '../../gateway/supergraph/files.ts';

/** Alternative sets of scopes; one of them is required. */
type Requirement = readonly (readonly string[])[];

const ANYBODY: Requirement = [[]];

/** The object types of the supergraph, by name. */
const types: ReadonlyMap<string, ObjectTypeDefinitionNode> = new Map(
  parse(readFileSync(SUPERGRAPH_FILE, 'utf8')).definitions.flatMap((node) =>
    node.kind === Kind.OBJECT_TYPE_DEFINITION ? [[node.name.value, node]] : [],
  ),
);

const typeNameOf = (type: TypeNode): string =>
  type.kind === Kind.NAMED_TYPE ? type.name.value : typeNameOf(type.type);

const stringsOf = (value: ConstDirectiveNode | undefined): Requirement | undefined => {
  const [scopes] = value?.arguments ?? [];
  if (scopes?.value.kind !== Kind.LIST) return undefined;
  return scopes.value.values.map((all) =>
    all.kind === Kind.LIST ? all.values.map((scope) => (scope.kind === Kind.STRING ? scope.value : '')) : [],
  );
};

const requirementOf = (node: FieldDefinitionNode | ObjectTypeDefinitionNode | undefined): Requirement =>
  stringsOf(node?.directives?.find(({ name }) => name.value === 'requiresScopes')) ?? ANYBODY;

/** All scopes that the supergraph requires somewhere. */
export const SCOPES: ReadonlySet<string> = new Set(
  [...types.values()].flatMap((type) => [type, ...(type.fields ?? [])].flatMap((node) => requirementOf(node).flat())),
);

/** The requirements of a field: its own, and that of its type. */
export const requirementsOf = (field: FieldDefinitionNode): Requirement[] => [
  requirementOf(field),
  requirementOf(types.get(typeNameOf(field.type))),
];

export const fieldsOf = (typename: string): readonly FieldDefinitionNode[] => types.get(typename)?.fields ?? [];

/** Returns the coordinates of all fields that somebody with these scopes can reach from the root, e.g. `Deal.name`. */
export const fieldsWith = (scopes: ReadonlySet<string>): ReadonlySet<string> => {
  const reached = new Set<string>();
  const visit = (typename: string): void => {
    for (const field of fieldsOf(typename)) {
      const coordinate = `${typename}.${field.name.value}`;
      const isAllowed = requirementsOf(field).every((any) =>
        any.some((all) => all.every((scope) => scopes.has(scope))),
      );
      if (!isAllowed || reached.has(coordinate)) continue;
      reached.add(coordinate);
      visit(typeNameOf(field.type));
    }
  };
  for (const root of ['Query', 'Mutation']) visit(root);
  return reached;
};
