import type { FetchNode, PlanNode, QueryPlan } from '@apollo/query-planner';
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
import type { Requirement } from './representations.ts';

/** What a plan does, in the form that the passes of this folder change and that becomes a program. */
export type Step =
  | { readonly kind: 'sequence'; readonly steps: readonly Step[] }
  /** `shared` are sent first, all at once, and waited for where a `shared` step names them. */
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
  /** The operation's variables that it needs, without those for representations. */
  readonly variables: readonly string[];
  readonly inputs: readonly FetchTarget[];
};

/** What one request asks for: some root fields, or some fields of some entities. */
export type FetchTarget = {
  readonly selectionSet: SelectionSetNode;
  /** Where entities are asked for: the field's name in the answer, and the variable with the representations. */
  readonly entities: { readonly name: string; readonly variable: string } | undefined;
  readonly targets: readonly Target[];
  /** Fields that the planner named otherwise so that a subgraph takes them together. */
  readonly renamed: readonly Renamed[];
};

/** Objects of the data that a fetch adds fields to. */
export type Target = {
  /** The fields' names from the root on, `@` for every item of a list. */
  readonly path: readonly string[];
  readonly requirement: Requirement | undefined;
};

export type Renamed = { readonly path: readonly string[]; readonly name: string };

/** A plan that Apollo's planner makes and that is not understood here. */
export class UnsupportedPlan extends Error {
  constructor(what: string) {
    super(`The gateway cannot execute ${what}.`);
  }
}

/** Reads a plan of Apollo's planner. Throws UnsupportedPlan. */
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
  const document = withoutNumber(parse(node.operation, { noLocation: true }));
  const operation = operationIn(document);
  const [first] = operation.selectionSet.selections as readonly [FieldNode];
  const requirement = node.requires && {
    selections: node.requires,
    typenames: new Map(
      (node.inputRewrites ?? []).map((rewrite) => {
        const [condition = '', name] = rewrite.path;
        if (rewrite.kind !== 'ValueSetter' || name !== '__typename' || !condition.startsWith(FRAGMENT)) {
          throw new UnsupportedPlan('a change of input other than its type');
        }
        return [condition.slice(FRAGMENT.length), String(rewrite.setValueTo)];
      }),
    ),
  };
  return {
    subgraph: node.serviceName,
    kind: node.operationKind,
    document,
    operationName: operation.name?.value,
    variables: node.variableUsages ?? [],
    inputs: [
      {
        selectionSet: (requirement && first.selectionSet) || operation.selectionSet,
        entities: requirement && { name: '_entities', variable: 'representations' },
        targets: [{ path, requirement }],
        renamed: (node.outputRewrites ?? []).map((rewrite) => {
          if (rewrite.kind !== 'KeyRenamer') throw new UnsupportedPlan('a change of output other than its name');
          return { path: rewrite.path, name: rewrite.renameKeyTo };
        }),
      },
    ],
  };
};

/** The planner numbers the fetches of an operation in their names, which makes requests differ that ask for the same. */
const withoutNumber = (document: DocumentNode): DocumentNode =>
  visit(document, {
    OperationDefinition: ({ name, ...rest }) =>
      name && { ...rest, name: { ...name, value: name.value.replace(/__\d+$/, '') } },
  });

/** How the planner writes a type condition in a path. */
export const FRAGMENT = '... on ';

export const operationIn = ({ definitions }: DocumentNode): OperationDefinitionNode =>
  definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode;

export const fragmentsIn = ({ definitions }: DocumentNode): FragmentDefinitionNode[] =>
  definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);

/** All fetches of a step. */
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
