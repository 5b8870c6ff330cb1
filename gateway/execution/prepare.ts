import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getOperationAST,
  isAbstractType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { isInherited } from './code.ts';
import { type ConditionValues, foldConditions } from './conditions.ts';
import { printCall, type RequiredCalls, type Requirements } from './requirements.ts';
import { type Fragments, inlineFragments, responseName } from './selections.ts';

/** An operation as it is planned and executed. */
export type Prepared = {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  /** What is planned, each by itself; together they select what the operation does. */
  readonly parts: readonly DocumentNode[];
  /** The names under which the planner takes fields with a requirement's arguments; the client has others for its own. */
  readonly requiredNames: ReadonlySet<string>;
  /** The name in the answer of a field that had to be given another. */
  readonly clientName: (name: string) => string;
  /** The client's name of a variable that had to be given another. */
  readonly clientVariable: (name: string) => string;
};

/** An operation that the graph cannot execute although it is valid. */
export class UnsupportedOperation extends Error {}

/**
 * Makes an operation safe to plan: within it, one name stands for one thing wherever values could meet.
 *
 * - The planner adds fields under their own names, for keys and for `@requires`. A client's field of the same name that
 *   is something else is given a name of its own.
 * - Fields under one name that are different things for different types are told apart: one entity can be reached by
 *   way of both.
 * - Names that every JavaScript object has already are replaced.
 * - Two fields that require one field with different arguments are planned apart.
 * - What is left out for sure is not planned.
 *
 * `conditions` has the values of variables that are to count as known, for `@skip` and `@include`.
 */
export const prepareOperation = (
  schema: GraphQLSchema,
  requirements: Requirements,
  document: DocumentNode,
  operationName: string | undefined,
  conditions: ConditionValues = {},
): Prepared => {
  const operation = getOperationAST(document, operationName);
  if (!operation) throw new Error('The document has no such operation.');
  const names = new Map<string, string>();
  const variables = new Map<string, string>();
  let prepared = foldConditions(onlyThis(document, operation), conditions);
  const selected = findRequirements(schema, requirements.calls, prepared);
  prepared = renameVariables(prepared, variables);
  prepared = tellApart(prepared, names);
  prepared = renameFields(prepared, requirements.names, selected, names);
  const fragments = fragmentsOf(prepared);
  return {
    operation: operationOf(prepared),
    fragments,
    parts: split(schema, prepared, selected),
    requiredNames: new Set([...selected.values()].flatMap((required) => [...required.keys()])),
    clientName: (name) => names.get(name) ?? name,
    clientVariable: (name) => variables.get(name) ?? name,
  };
};

const operationOf = ({ definitions }: DocumentNode): OperationDefinitionNode =>
  definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode;

const fragmentsOf = ({ definitions }: DocumentNode): Fragments =>
  new Map(
    definitions
      .filter((definition): definition is FragmentDefinitionNode => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );

/** The document without its other operations and the fragments that only they use. */
const onlyThis = (document: DocumentNode, operation: OperationDefinitionNode): DocumentNode => {
  const fragments = fragmentsOf(document);
  const used = new Set<FragmentDefinitionNode>();
  const follow = (node: OperationDefinitionNode | FragmentDefinitionNode): void => {
    visit(node, {
      FragmentSpread: ({ name }) => {
        const fragment = fragments.get(name.value);
        if (!fragment || used.has(fragment)) return;
        used.add(fragment);
        follow(fragment);
      },
    });
  };
  follow(operation);
  return { kind: Kind.DOCUMENT, definitions: [operation, ...used] };
};

/** The planner's own variable for entities. */
const REPRESENTATIONS = 'representations';

const renameVariables = (document: DocumentNode, variables: Map<string, string>): DocumentNode => {
  const defined = operationOf(document).variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
  if (!defined.includes(REPRESENTATIONS)) return document;
  let other = `own_${REPRESENTATIONS}`;
  while (defined.includes(other)) other = `${other}_`;
  variables.set(other, REPRESENTATIONS);
  return visit(document, {
    Variable: (node) =>
      node.name.value === REPRESENTATIONS ? { ...node, name: { ...node.name, value: other } } : node,
  });
};

type SelectedRequirements = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** What the fields that a document selects require with arguments, by the fields' coordinates. */
const findRequirements = (
  schema: GraphQLSchema,
  requirements: RequiredCalls,
  document: DocumentNode,
): SelectedRequirements => {
  const found = new Map<string, ReadonlyMap<string, string>>();
  if (requirements.size === 0) return found;
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      Field: ({ name }) => {
        for (const coordinate of coordinatesOf(schema, types, name.value)) {
          const required = requirements.get(coordinate);
          if (required) found.set(coordinate, required);
        }
      },
    }),
  );
  return found;
};

/** Where a selected field can be defined: in its type, or in those that implement it. */
const coordinatesOf = (schema: GraphQLSchema, types: TypeInfo, field: string): string[] => {
  const parent = types.getParentType();
  if (!parent) return [];
  const others = isAbstractType(parent) ? schema.getPossibleTypes(parent) : [];
  return [parent, ...others].map(({ name }) => `${name}.${field}`);
};

const ownName = (name: string): string => `__own_${name}`;

/** Gives fields names of their own where the planner may put something else under theirs. */
const renameFields = (
  document: DocumentNode,
  plannerNames: ReadonlySet<string>,
  selected: SelectedRequirements,
  names: Map<string, string>,
): DocumentNode => {
  const taken = new Map<string, Set<string>>();
  for (const [name, call] of [...selected.values()].flatMap((required) => [...required])) {
    taken.set(name, (taken.get(name) ?? new Set()).add(call));
  }
  return visit(document, {
    Field: (node) => {
      const name = responseName(node);
      const required = taken.get(name);
      const isTheSame = required === undefined || (required.size === 1 && required.has(printCall(node)));
      const isOther = name !== node.name.value && plannerNames.has(name);
      if (isTheSame && !isOther && !isInherited(name)) return undefined;
      const other = ownName(name);
      names.set(other, names.get(name) ?? name);
      return withAlias(node, other);
    },
  });
};

const withAlias = (node: FieldNode, alias: string): FieldNode => ({
  ...node,
  alias: { kind: Kind.NAME, value: alias },
});

/**
 * Gives names of their own to fields that share one, at the same place, with something else. GraphQL allows that for
 * objects of different types; but what lies under those objects can be the same entity.
 */
const tellApart = (document: DocumentNode, names: Map<string, string>): DocumentNode => {
  if (!hasSharedName(document)) return document;
  const operation = operationOf(document);
  const inlined = inlineFragments(operation.selectionSet, fragmentsOf(document));
  const aliases = new Map<FieldNode, string>();
  const compare = (sets: readonly SelectionSetNode[]): void => {
    const places = new Map<string, Map<string, FieldNode[]>>();
    for (const node of sets.flatMap(fieldsIn)) {
      const calls = places.get(responseName(node)) ?? new Map<string, FieldNode[]>();
      places.set(responseName(node), calls);
      calls.set(printCall(node), [...(calls.get(printCall(node)) ?? []), node]);
    }
    for (const [name, calls] of places) {
      for (const [index, nodes] of [...calls.values()].entries()) {
        const other = `${name}__${index}`;
        if (index > 0) names.set(other, name);
        if (index > 0) for (const node of nodes) aliases.set(node, other);
        compare(nodes.flatMap(({ selectionSet }) => selectionSet ?? []));
      }
    }
  };
  compare([inlined]);
  if (aliases.size === 0) return document;
  const rename = (selection: SelectionNode): SelectionNode => {
    if (selection.kind === Kind.FRAGMENT_SPREAD || !selection.selectionSet) return withOther(selection);
    const selections = selection.selectionSet.selections.map(rename);
    return { ...withOther(selection), selectionSet: { kind: Kind.SELECTION_SET, selections } } as SelectionNode;
  };
  const withOther = (selection: SelectionNode): SelectionNode => {
    const other = selection.kind === Kind.FIELD && aliases.get(selection);
    return other ? withAlias(selection as FieldNode, other) : selection;
  };
  const selections = inlined.selections.map(rename);
  const selectionSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections };
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, selectionSet }] };
};

/** Whether anywhere in a document two different things have one name: if not, nothing has to be looked at further. */
const hasSharedName = (document: DocumentNode): boolean => {
  const calls = new Map<string, string>();
  let isShared = false;
  visit(document, {
    Field: (node) => {
      const name = responseName(node);
      const call = printCall(node);
      isShared ||= (calls.get(name) ?? call) !== call;
      calls.set(name, call);
    },
  });
  return isShared;
};

/** The fields of a selection set without named fragments, whatever types they are for. */
const fieldsIn = ({ selections }: SelectionSetNode): FieldNode[] =>
  selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    return selection.kind === Kind.INLINE_FRAGMENT ? fieldsIn(selection.selectionSet) : [];
  });

/**
 * Divides an operation so that in no part two fields of one type require a field with different arguments: a subgraph
 * is told a required value under the field's name, and can be told one only. Everything without such a requirement is
 * in every part, for the sake of the objects' keys and of the client's order.
 */
const split = (schema: GraphQLSchema, document: DocumentNode, selected: SelectedRequirements): DocumentNode[] => {
  const parts: Map<string, string>[] = [];
  const partOf = new Map<string, number>();
  for (const [coordinate, required] of selected) {
    const [typename] = coordinate.split('.');
    const calls = [...required].map(([name, call]) => [`${typename}.${name}`, call] as const);
    const fitting = parts.findIndex((part) => calls.every(([place, call]) => (part.get(place) ?? call) === call));
    const index = fitting === -1 ? parts.length : fitting;
    partOf.set(coordinate, index);
    parts[index] = new Map([...(parts[index] ?? []), ...calls]);
  }
  if (parts.length <= 1) return [document];
  if (operationOf(document).operation === 'mutation') {
    throw new UnsupportedOperation(
      'These fields need one value with different arguments: ask for them in two requests.',
    );
  }
  const types = new TypeInfo(schema);
  return parts.map((_part, index) =>
    visit(
      document,
      visitWithTypeInfo(types, {
        Field: ({ name }) => {
          const wanted = coordinatesOf(schema, types, name.value).flatMap((coordinate) => partOf.get(coordinate) ?? []);
          return wanted.length > 0 && Math.max(...wanted) !== index ? null : undefined;
        },
        SelectionSet: {
          leave: (node) => (node.selections.length === 0 ? { ...node, selections: [TYPENAME] } : undefined),
        },
      }),
    ),
  );
};

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };
