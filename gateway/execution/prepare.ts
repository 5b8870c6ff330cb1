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
import { foldDefers, labelDefers, withoutDefer } from './defer-directives.ts';
import { type SplitOperation, splitDeferred } from './deferred-parts.ts';
import { disambiguateAliases } from './disambiguate-aliases.ts';
import type { FetchError } from './failure.ts';
import { assignInternalAliases } from './internal-aliases.ts';
import { withoutLiveDirective } from './live-directive.ts';
import type { Requirements } from './requirements.ts';
import { type Fragments, fragmentMap } from './selections.ts';
import { findSelectedCalls, split } from './split.ts';
import { fragmentsIn, operationIn } from './steps.ts';
import { type IsAuthorized, markUnauthorized, unauthorizedErrors, withoutRemoved } from './unauthorized-fields.ts';

/** An operation, rewritten for planning and execution. */
export type PreparedOperation = {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  /** The operation without what is deferred, and the deferred parts. Undefined if its response has one part. */
  readonly deferred: SplitOperation | undefined;
  /** Returns the client's label of a deferred part. */
  readonly deferLabel: (id: string) => string | undefined;
  /** Documents that are planned separately. Together they select the same fields as the operation, except removed ones. */
  readonly parts: readonly DocumentNode[];
  /** Errors for the fields that the request may not read, for a response without data. Empty if it may read all. */
  readonly unauthorized: readonly FetchError[];
  /** Names that the planner uses for required fields with arguments. The client's own fields have other names. */
  readonly requiredNames: ReadonlySet<string>;
  /** Returns the client's response name of a field that may have been renamed. */
  readonly clientName: (name: string) => string;
  /** Returns the client's name of a variable that may have been renamed. */
  readonly clientVariable: (name: string) => string;
};

export type PrepareOptions = {
  /** The known values of variables in `@skip` and `@include`. */
  readonly conditions?: ConditionValues | undefined;
  /** Whether the response can have several parts. If set, all conditions must be known, those of `@defer` included. */
  readonly isDeferred?: boolean | undefined;
  /** Returns whether the request may read a field. By default it may read all. If set, all conditions must be known. */
  readonly isAuthorized?: IsAuthorized | undefined;
};

/** A document that selects nothing. */
const NOTHING: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

/**
 * Rewrites an operation so that it is safe to plan: wherever values could be merged, each name means one thing.
 *
 * - The planner adds key fields and required fields under their schema names. A client's different field of the same name gets
 *   an internal alias.
 * - Different fields that share a response name on different types get different aliases, because one entity can be reached
 *   through both.
 * - Names that every JavaScript object inherits are replaced.
 * - Fields that require one field with different arguments are planned separately.
 * - Selections that are known to be excluded are not planned.
 * - Fragments with `@defer` are planned with everything else. If several documents are planned, nothing is deferred.
 * - Fields that the request may not read are marked and not planned. If nothing else is selected, there are no parts.
 */
export const prepareOperation = (
  schema: GraphQLSchema,
  requirements: Requirements,
  document: DocumentNode,
  operationName: string | undefined,
  { conditions = {}, isDeferred = false, isAuthorized }: PrepareOptions = {},
): PreparedOperation => {
  const names = new Map<string, string>();
  const variables = new Map<string, string>();
  const labels = new Map<string, string | undefined>();
  const extracted = extractOperation(document, operationName);
  let prepared = foldConditions(
    isDeferred && operationIn(extracted).operation === 'query'
      ? foldDefers(extracted, conditions)
      : withoutDefer(extracted),
    conditions,
  );
  if (isAuthorized) prepared = markUnauthorized(schema, prepared, isAuthorized);
  const readable = (): DocumentNode | undefined =>
    isAuthorized ? withoutRemoved(schema, prepared, requirements.interfaceObjects) : prepared;
  const selected = findSelectedCalls(schema, requirements.calls, readable() ?? NOTHING);
  prepared = renameVariables(prepared, variables);
  prepared = disambiguateAliases(prepared, names);
  prepared = assignInternalAliases(prepared, requirements.fieldNames, selected, names);
  if (isDeferred) prepared = labelDefers(prepared, labels);
  const fragments = fragmentMap(fragmentsIn(prepared));
  const planned = readable();
  const parts = planned ? split(schema, withoutDefer(planned), selected) : [];
  const isInParts = labels.size > 0 && parts.length === 1;
  const clientName = (name: string): string => names.get(name) ?? name;
  return {
    operation: operationIn(prepared),
    fragments,
    deferred: isInParts ? splitDeferred(schema, operationIn(prepared)) : undefined,
    deferLabel: (id) => labels.get(id),
    parts,
    unauthorized: isAuthorized ? unauthorizedErrors(schema, prepared, clientName) : [],
    requiredNames: new Set([...selected.values()].flatMap((required) => [...required.keys()])),
    clientName,
    clientVariable: (name) => variables.get(name) ?? name,
  };
};

/** Returns the document with one operation and only the fragments that it uses. */
export const extractOperation = (document: DocumentNode, operationName: string | undefined): DocumentNode => {
  const operation = getOperationAST(document, operationName);
  if (!operation) throw new Error('The document does not contain the requested operation.');
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
  return withoutLiveDirective({ kind: Kind.DOCUMENT, definitions: [operation, ...used] });
};

/** The variable that the planner uses for entity representations. */
const REPRESENTATIONS = 'representations';

const renameVariables = (document: DocumentNode, variables: Map<string, string>): DocumentNode => {
  const defined = operationIn(document).variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
  if (!defined.includes(REPRESENTATIONS)) return document;
  let replacement = `own_${REPRESENTATIONS}`;
  while (defined.includes(replacement)) replacement = `${replacement}_`;
  variables.set(replacement, REPRESENTATIONS);
  return visit(document, {
    Variable: (node) =>
      node.name.value === REPRESENTATIONS ? { ...node, name: { ...node.name, value: replacement } } : node,
  });
};
