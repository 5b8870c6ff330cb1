import type { FetchNode, PlanNode, QueryPlan, QueryPlanSelectionNode } from '@apollo/query-planner';
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type OperationTypeNode,
  parse,
  type SelectionSetNode,
  visit,
} from 'graphql';

/** A node of the plan, in the form that the compiler passes of this folder transform into a program. */
export type Step =
  | { readonly kind: 'sequence'; readonly steps: readonly Step[] }
  /** `shared` fetches are all sent first. A step of kind `shared` waits for one of them. */
  | { readonly kind: 'parallel'; readonly steps: readonly Step[]; readonly shared: readonly Fetch[] }
  | { readonly kind: 'condition'; readonly variable: string; readonly whenTrue: Step; readonly whenFalse: Step }
  | { readonly kind: 'fetch'; readonly fetch: Fetch }
  | { readonly kind: 'shared'; readonly fetch: Fetch }
  | { readonly kind: 'nothing' };

/** One request to a subgraph. */
export type Fetch = {
  readonly subgraph: string;
  readonly kind: OperationTypeNode;
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  /** The operation's variables that it uses, except those for representations. */
  readonly variables: readonly string[];
  readonly targets: readonly FetchTarget[];
};

/** A set of fields that one request selects: on the root type, or on entities. */
export type FetchTarget = {
  readonly selectionSet: SelectionSetNode;
  /** For entities, the response name of the `_entities` field and the variable with the representations. */
  readonly entities: { readonly name: string; readonly variable: string } | undefined;
  readonly locations: readonly Location[];
  /** Fields to which the planner gave an alias so that a subgraph accepts them together. */
  readonly renames: readonly FieldRename[];
};

/** The objects of the data that a fetch adds fields to. */
export type Location = {
  /** Field names from the root, with `@` for every list item. */
  readonly path: readonly string[];
  readonly requirement: Requirement | undefined;
};

/** The fields of an entity that its representation contains, as planned. */
export type Requirement = {
  readonly selections: readonly QueryPlanSelectionNode[];
  /** Replacements for `__typename`, by type condition: a subgraph with `@interfaceObject` knows only the interface. */
  readonly typenames: ReadonlyMap<string, string>;
};

export type FieldRename = { readonly path: readonly string[]; readonly name: string };

/** Apollo's planner produced a plan that uses an unsupported feature. */
export class UnsupportedPlan extends Error {
  constructor(feature: string) {
    super(`The gateway does not support ${feature}.`);
  }
}

/** Converts a plan of Apollo's planner to steps. Throws UnsupportedPlan. */
export const readPlan = ({ node }: QueryPlan): Step => {
  if (!node) return { kind: 'nothing' };
  if (node.kind === 'Subscription') throw new UnsupportedPlan('subscriptions');
  return readNode(node, []);
};

const readNode = (node: PlanNode | undefined, path: readonly string[]): Step => {
  if (!node) return { kind: 'nothing' };
  switch (node.kind) {
    case 'Sequence':
      return { kind: 'sequence', steps: node.nodes.map((one) => readNode(one, path)) };
    case 'Parallel':
      return { kind: 'parallel', steps: node.nodes.map((one) => readNode(one, path)), shared: [] };
    case 'Flatten':
      return readNode(node.node, [...path, ...node.path.map(String)]);
    case 'Condition':
      return {
        kind: 'condition',
        variable: node.condition,
        whenTrue: readNode(node.ifClause, path),
        whenFalse: readNode(node.elseClause, path),
      };
    case 'Fetch':
      return { kind: 'fetch', fetch: readFetch(node, path) };
    case 'Defer':
      throw new UnsupportedPlan('@defer');
  }
};

const readFetch = (node: FetchNode, path: readonly string[]): Fetch => {
  if (node.contextRewrites?.length) throw new UnsupportedPlan('arguments from a context (@fromContext)');
  const document = withoutFetchNumber(parse(node.operation, { noLocation: true }));
  const operation = operationIn(document);
  const [first] = operation.selectionSet.selections as readonly [FieldNode];
  const requirement = node.requires && {
    selections: node.requires,
    typenames: new Map(
      (node.inputRewrites ?? []).map((rewrite) => {
        const [condition = '', name] = rewrite.path;
        if (rewrite.kind !== 'ValueSetter' || name !== '__typename' || !condition.startsWith(TYPE_CONDITION_PREFIX)) {
          throw new UnsupportedPlan('an input rewrite other than of __typename');
        }
        return [condition.slice(TYPE_CONDITION_PREFIX.length), String(rewrite.setValueTo)];
      }),
    ),
  };
  return {
    subgraph: node.serviceName,
    kind: node.operationKind,
    document,
    operationName: operation.name?.value,
    variables: node.variableUsages ?? [],
    targets: [
      {
        selectionSet: (requirement && first.selectionSet) || operation.selectionSet,
        entities: requirement && { name: '_entities', variable: 'representations' },
        locations: [{ path, requirement }],
        renames: (node.outputRewrites ?? []).map((rewrite) => {
          if (rewrite.kind !== 'KeyRenamer') throw new UnsupportedPlan('an output rewrite other than of a field name');
          return { path: rewrite.path, name: rewrite.renameKeyTo };
        }),
      },
    ],
  };
};

/** Removes the fetch number that the planner appends to operation names. It would make equal requests differ. */
const withoutFetchNumber = (document: DocumentNode): DocumentNode =>
  visit(document, {
    OperationDefinition: ({ name, ...rest }) =>
      name && { ...rest, name: { ...name, value: name.value.replace(/__\d+$/, '') } },
  });

/** Prefix of a type condition in a path of the planner. */
export const TYPE_CONDITION_PREFIX = '... on ';

export const operationIn = ({ definitions }: DocumentNode): OperationDefinitionNode =>
  definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode;

export const fragmentsIn = ({ definitions }: DocumentNode): FragmentDefinitionNode[] =>
  definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);

/** Returns all fetches of a step. */
export const fetchesOf = (step: Step): Fetch[] => {
  switch (step.kind) {
    case 'sequence':
      return step.steps.flatMap(fetchesOf);
    case 'parallel':
      return [...step.shared, ...step.steps.flatMap(fetchesOf)];
    case 'condition':
      return [...fetchesOf(step.whenTrue), ...fetchesOf(step.whenFalse)];
    case 'fetch':
      return [step.fetch];
    default:
      return [];
  }
};
