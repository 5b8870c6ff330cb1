import { afterEach, describe, expect, test } from 'vitest';
import { type Foreign, startForeign } from '../helpers/foreign.ts';

/* Reports of remote subgraphs: what of them reaches clients, for arbitrary reports. */

const DEFINITIONS = {
  books: { schema: 'type Query { book: String }' },
  films: { schema: 'type Query { film: String }' },
};
const DATA = { books: { book: 'Emma' }, films: { film: 'Vertigo' } };

let external: Foreign<keyof typeof DEFINITIONS>;
afterEach(() => external.close());

/** Starts a gateway whose subgraphs return reports, and returns the client's report of a request to both. */
const report = async (reports: Partial<Record<keyof typeof DEFINITIONS, object>>) => {
  external = await startForeign(DEFINITIONS);
  for (const name of ['books', 'films'] as const) {
    external.subgraphs[name].before = (response) => {
      const body = { data: DATA[name], extensions: { tributary: reports[name] } };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      return true;
    };
  }
  const { data, errors, text } = await external.ask(
    '{ book film }',
    {},
    { headers: { 'x-tributary-report': 'trace' } },
  );
  expect({ data, errors }).toEqual({ data: { ...DATA.books, ...DATA.films }, errors: undefined });
  return (JSON.parse(text) as { extensions: { tributary: ClientReport } }).extensions.tributary;
};

type ClientReport = {
  readonly stale?: readonly object[];
  readonly calls: readonly object[];
  readonly trace: { readonly calls: readonly object[] };
};

describe('spans', () => {
  const span = { subgraph: 'books', operation: 'x', kind: 'call', startMs: 1, timeMs: 2, isFailed: false };

  test('of all subgraphs together are at most ten thousand', async () => {
    const { trace } = await report({
      books: { spans: Array(6_000).fill(span) },
      films: { spans: Array(6_000).fill({ ...span, subgraph: 'films' }) },
    });
    expect(trace.calls).toHaveLength(10_000);
  });
});
