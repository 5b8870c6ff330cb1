import type { FetchNode, PlanNode, QueryPlan } from '@apollo/query-planner';
import { type DocumentNode, type FieldNode, parse, visit } from 'graphql';
import { type Fetch, operationIn, type Step, TYPE_CONDITION_PREFIX, UnsupportedPlan } from '../execution/steps.ts';

/** Converts a plan of Apollo's planner to steps. Throws UnsupportedPlan. */
export const readApolloPlan = ({ node }: QueryPlan): Step => {
  if (!node) return { kind: 'nothing' };
  if (node.kind !== 'Subscription') return readNode(node, []);
  // The rest is fetched for each event.
  return { kind: 'sequence', steps: [readNode(node.primary, []), readNode(node.rest, [])] };
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
      // Operations are planned without it.
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
