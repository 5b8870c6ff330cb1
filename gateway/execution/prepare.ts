import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';
import { type ConditionValues, foldConditions } from './conditions.ts';
import { tellApart } from './disambiguate-aliases.ts';
import { giveOwnNames } from './internal-aliases.ts';
import type { Requirements } from './requirements.ts';
import { type Fragments, fragmentMap } from './selections.ts';
import { findSelected, split } from './split.ts';
import { fragmentsIn, operationIn } from './steps.ts';

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
  const selected = findSelected(schema, requirements.calls, prepared);
  prepared = renameVariables(prepared, variables);
  prepared = tellApart(prepared, names);
  prepared = giveOwnNames(prepared, requirements.names, selected, names);
  const fragments = fragmentMap(fragmentsIn(prepared));
  return {
    operation: operationIn(prepared),
    fragments,
    parts: split(schema, prepared, selected),
    requiredNames: new Set([...selected.values()].flatMap((required) => [...required.keys()])),
    clientName: (name) => names.get(name) ?? name,
    clientVariable: (name) => variables.get(name) ?? name,
  };
};

/** The document without its other operations and the fragments that only they use. */
const onlyThis = (document: DocumentNode, operation: OperationDefinitionNode): DocumentNode => {
  const fragments = fragmentMap(fragmentsIn(document));
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
  const defined = operationIn(document).variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
  if (!defined.includes(REPRESENTATIONS)) return document;
  let other = `own_${REPRESENTATIONS}`;
  while (defined.includes(other)) other = `${other}_`;
  variables.set(other, REPRESENTATIONS);
  return visit(document, {
    Variable: (node) =>
      node.name.value === REPRESENTATIONS ? { ...node, name: { ...node.name, value: other } } : node,
  });
};
