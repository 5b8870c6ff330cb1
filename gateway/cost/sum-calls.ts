import type { DocumentNode } from 'graphql';
import type { CallAllowance } from '../../telemetry/call-stats.ts';
import type { Fetch } from '../execution/steps.ts';
import { toAllowance } from './batches.ts';
import type { CallRange, OperationCalls, OperationCost } from './calls.ts';

/** The calls of one provider operation for one fetch. `batchSize` is 0 if no keys are loaded. */
export type FetchCalls = { readonly fetch: Fetch; readonly calls: OperationCalls; readonly batchSize: number };

/** Sums the calls of all fetches of an operation. `isKnown` says whether something is known of a subgraph's provider. */
export const sumCalls = (found: readonly FetchCalls[], isKnown: (subgraph: string) => boolean): OperationCost => {
  const operations = new Map<string, OperationCalls>();
  for (const { calls } of found) {
    const key = `${calls.subgraph} ${calls.operation}`;
    operations.set(key, addCalls(operations.get(key), calls));
  }
  const allowances = new Map(
    [...groupBy(found, ({ fetch }) => fetch.subgraph)].flatMap(([subgraph, part]) =>
      isKnown(subgraph) ? [[subgraph, allowanceOf(part)] as const] : [],
    ),
  );
  const byDocument = groupBy(found, ({ fetch }) => fetch.document);
  const allowanceOfDocument = (document: DocumentNode): CallAllowance => {
    const part = byDocument.get(document) ?? [];
    const own = allowanceOf(part);
    const subgraph = part[0]?.fetch.subgraph;
    const total = subgraph === undefined ? undefined : allowances.get(subgraph);
    if (!total || own.repeats === 0) return own;
    // Requests to a subgraph over HTTP cannot share what is left, so each gets its part of the operation's repeats.
    const others = [...byDocument.values()].filter(([first]) => first?.fetch.subgraph === subgraph);
    const all = others.reduce((sum, one) => sum + allowanceOf(one).repeats, 0);
    const repeats = Math.floor((total.repeats * own.repeats) / all);
    return { calls: own.calls - own.repeats + repeats, repeats };
  };
  const withExpected = (rows: readonly OperationCalls[]): OperationCost => ({
    operations: rows,
    bySubgraph: sumBySubgraph(rows, allowances),
    allowances,
    allowanceOf: (document) => allowanceOfDocument(document as DocumentNode),
    withExpected,
  });
  return withExpected([...operations.values()].filter(({ atMost }) => atMost > 0));
};

const sumBySubgraph = (
  rows: readonly OperationCalls[],
  allowances: ReadonlyMap<string, CallAllowance>,
): ReadonlyMap<string, CallRange> => {
  const sums = new Map<string, CallRange>();
  for (const { subgraph, atLeast, expected, atMost } of rows) {
    const sum = sums.get(subgraph);
    sums.set(subgraph, {
      atLeast: (sum?.atLeast ?? 0) + atLeast,
      expected: (sum?.expected ?? 0) + expected,
      atMost: allowances.get(subgraph)?.calls ?? (sum?.atMost ?? 0) + atMost,
    });
  }
  return sums;
};

const addCalls = (one: OperationCalls | undefined, other: OperationCalls): OperationCalls =>
  one
    ? {
        ...one,
        keys: one.keys + other.keys,
        atLeast: one.atLeast + other.atLeast,
        expected: one.expected + other.expected,
        expectedUncached: one.expectedUncached + other.expectedUncached,
        atMost: one.atMost + other.atMost,
      }
    : other;

const allowanceOf = (found: readonly FetchCalls[]): CallAllowance =>
  toAllowance(
    found.reduce((sum, { calls }) => sum + calls.atMost, 0),
    found.reduce((largest, { batchSize }) => Math.max(largest, batchSize), 0),
  );

const groupBy = <Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> => {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
};
