import { parse, print } from 'graphql';
import type { ClientCalls, ClientExplanation } from '../../gateway/cost/client-explanation.ts';
import type { PlanNode } from '../../gateway/execution/explain.ts';

type Row = readonly string[];

const HEADER: Row = ['subgraph', 'operation', 'at least', 'expected', 'at most', 'saved'];

const toRow = (subgraph: string, operation: string, { atLeast, expected, atMost, saved }: ClientCalls): Row => [
  subgraph,
  operation,
  ...[atLeast, expected, atMost, saved].map(String),
];

/** Formats rows as lines of aligned columns. The first two columns are text, the others numbers. */
const alignRows = (rows: readonly Row[]): string[] => {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
};

/** Formats an estimate as a table: the provider operations, and the totals of each provider and of all. */
export const formatEstimate = ({ calls, providers, operations, objects, budget }: ClientExplanation): string => {
  const rows = [
    HEADER,
    ...operations.map((one) => toRow(one.subgraph, one.operation, one)),
    ...providers.map((one) => toRow(one.subgraph, one.repeats > 0 ? ALL_WITH_REPEATS : ALL, one)),
    toRow('all', '', calls),
  ];
  const [header = '', ...lines] = alignRows(rows);
  const rule = '-'.repeat(header.length);
  const table = [header, rule, ...lines.slice(0, operations.length), rule, ...lines.slice(operations.length)];
  return [
    ...(calls.atMost > 0 ? table : ['No provider is called.']),
    `Objects in the response: about ${objects}.`,
    ...(budget ? [`It would be refused now. ${budget.message}`] : []),
  ].join('\n');
};

const ALL = 'all';
const ALL_WITH_REPEATS = 'all, with repeats of failed calls';

/** Formats a query plan as an indented tree. */
export const formatPlan = (plan: PlanNode | undefined): string =>
  ['Plan:', ...(plan ? indent(planLines(plan)) : ['  Nothing is fetched.'])].join('\n');

const planLines = (node: PlanNode): string[] => {
  switch (node.kind) {
    case 'sequence':
      return ['one after another', ...indent(node.nodes.flatMap(planLines))];
    case 'parallel':
      return ['at once', ...indent(node.nodes.flatMap(planLines))];
    case 'condition':
      return [...branchLines(`if $${node.variable}`, node.then), ...branchLines('else', node.otherwise)];
    case 'fetch': {
      const places = node.places.map((path) => path.replaceAll('.@', '[]')).join(', ');
      return [`${node.subgraph}${places && ` for ${places}`}`, ...indent(print(parse(node.query)).split('\n'))];
    }
  }
};

const branchLines = (label: string, nodes: readonly PlanNode[]): string[] =>
  nodes.length > 0 ? [label, ...indent(nodes.flatMap(planLines))] : [];

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
