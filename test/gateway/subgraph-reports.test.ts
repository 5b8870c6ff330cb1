import { afterEach, describe, expect, test } from 'vitest';
import { SUBGRAPH_REQUEST } from '../../gateway/cost/calls.ts';
import type { Status } from '../../telemetry/status/format.ts';
import { type Federation, startFederation } from '../helpers/federation.ts';
import { readMetrics } from '../helpers/prometheus.ts';
import type { SubgraphServer } from '../helpers/subgraph-server.ts';

/* Reports of remote subgraphs: what of them reaches clients, for arbitrary reports. */

const DEFINITIONS = {
  books: { schema: 'type Query { book: String }' },
  films: { schema: 'type Query { film: String }' },
};
const DATA = { books: { book: 'Emma' }, films: { film: 'Vertigo' } };

let external: Federation<keyof typeof DEFINITIONS>;
afterEach(() => external.close());

const answer = (subgraph: SubgraphServer, data: object, tributary: object | undefined): void => {
  subgraph.before = (response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ data, extensions: { tributary } }));
    return true;
  };
};

/** Starts a gateway whose subgraphs return reports, and returns the client's report of a request to both. */
const report = async (reports: Partial<Record<keyof typeof DEFINITIONS, object>>) => {
  external = await startFederation(DEFINITIONS);
  for (const name of ['books', 'films'] as const) answer(external.subgraphs[name], DATA[name], reports[name]);
  const { data, errors, text } = await external.ask(
    '{ book film }',
    {},
    { headers: { 'x-tributary-report': 'trace' } },
  );
  expect({ data, errors }).toEqual({ data: { ...DATA.books, ...DATA.films }, errors: undefined });
  const { tributary } = (JSON.parse(text) as { extensions: { tributary: ClientReport } }).extensions;
  const isOwn = ({ operation }: { operation?: string }) => operation === SUBGRAPH_REQUEST;
  // The gateway counts its requests to each subgraph.
  expect(tributary.calls.filter(isOwn)).toMatchObject([
    { subgraph: 'books', calls: 1 },
    { subgraph: 'films', calls: 1 },
  ]);
  return { ...tributary, calls: tributary.calls.filter((row) => !isOwn(row)) };
};

test('what operations cost is counted by the gateway, whatever subgraphs report', async () => {
  external = await startFederation(DEFINITIONS, { ADMIN_PORT: '0' });
  const forged = { ...ROW, calls: Number.MAX_SAFE_INTEGER };
  answer(external.subgraphs.books, DATA.books, { calls: [forged, { ...forged, operation: SUBGRAPH_REQUEST }] });
  const headers = { 'x-tributary-report': '1' };
  expect((await external.ask('query Book { book }', {}, { headers })).data).toEqual(DATA.books);
  const { adminUrl } = external.gateway;
  const metrics = await readMetrics(adminUrl);
  for (const name of ['tributary_operation_calls_total', 'tributary_client_calls_total']) {
    expect(metrics.all(name).map(({ value }) => value)).toEqual([1]);
  }
  const status = (await (await fetch(`${adminUrl}/status.json`)).json()) as Status;
  expect(status.operations).toMatchObject([{ name: 'Book', calls: 1 }]);
  expect(status.subgraphs.find(({ subgraph }) => subgraph === 'books')?.reported?.calls).toBe(1);
});

type ClientReport = {
  readonly stale?: readonly object[];
  readonly calls: readonly object[];
  readonly trace: { readonly calls: readonly object[] };
};

const NOTE = { path: ['book'], subgraph: 'books', ageMs: 5, reason: 'REFRESHING' };
const OTHER = { ...NOTE, path: ['other'] };
const SPAN = { subgraph: 'books', operation: 'x', kind: 'call', startMs: 1, timeMs: 2, isFailed: false };
const ROW = { subgraph: 'books', operation: 'x', calls: 1 };

describe('an invalid entry is omitted, and the others are kept', () => {
  test.each<[string, unknown]>([
    ['that is not an object', 7],
    ['that is null', null],
    ['without a path', { ...NOTE, path: undefined }],
    ['with an empty path', { ...NOTE, path: [] }],
    ['with a path that is text', { ...NOTE, path: 'book' }],
    ['with a long path', { ...NOTE, path: Array(129).fill('book') }],
    ['with a long name in its path', { ...NOTE, path: ['b'.repeat(257)] }],
    ['with text in its path that is no name', { ...NOTE, path: ['<b>'] }],
    ['with a negative index', { ...NOTE, path: ['book', -1] }],
    ['with a negative age', { ...OTHER, ageMs: -1 }],
    ['with a huge age', { ...OTHER, ageMs: 1e300 }],
    ['with an age of null, as JSON writes NaN', { ...OTHER, ageMs: Number.NaN }],
    ['with a long subgraph name', { ...OTHER, subgraph: 'b'.repeat(257) }],
  ])('a note %s', async (_, note) => {
    const { stale } = await report({ books: { stale: [note, NOTE] } });
    expect(stale).toEqual([NOTE]);
  });

  test.each<[string, unknown]>([
    ['without an operation', { ...ROW, operation: undefined }],
    ['with a long operation name', { ...ROW, operation: 'x'.repeat(257) }],
    ['with a negative number', { ...ROW, timeMs: -1 }],
    ['with a number that is text', { ...ROW, calls: 'many' }],
    ['with a number whose sums are not finite', { ...ROW, bytesSent: 1.7e308 }],
  ])('a row of calls %s', async (_, row) => {
    const { calls } = await report({ books: { calls: [row, ROW, ROW] } });
    expect(calls).toMatchObject([{ subgraph: 'books', operation: 'x', calls: 2, bytesSent: 0 }]);
  });

  test.each<[string, unknown]>([
    ['of another kind', { ...SPAN, kind: 'sleep' }],
    ['with a long operation name', { ...SPAN, operation: 'x'.repeat(257) }],
    ['that starts before the fetch', { ...SPAN, startMs: -1 }],
    ['with a huge time', { ...SPAN, timeMs: 1e300 }],
  ])('a span %s', async (_, span) => {
    const { trace } = await report({ books: { spans: [span, SPAN] } });
    expect(trace.calls).toEqual([{ ...SPAN, startMs: expect.any(Number) }]);
  });
});

test('an invalid field affects no other', async () => {
  const { stale, calls, trace } = await report({ books: { stale: 'x', calls: { ...[ROW] }, spans: [SPAN] } });
  expect({ stale, calls, spans: trace.calls.length }).toEqual({ stale: undefined, calls: [], spans: 1 });
  answer(external.subgraphs.books, DATA.books, { stale: [7], calls: 7, freshForMs: 60_000 });
  const { headers } = await fetch(`${external.url}/graphql?query={book}`, {
    headers: { 'apollo-require-preflight': 'yes' },
  });
  expect(headers.get('cache-control')).toBe('max-age=60, private');
});

test('entries beyond the longest list are not read', async () => {
  const { stale, calls, trace } = await report({
    books: {
      stale: [...Array(10_000).fill(0), NOTE],
      calls: [...Array(1_000).fill(0), ROW],
      spans: [...Array(10_000).fill(0), SPAN],
    },
  });
  expect({ stale, calls, spans: trace.calls }).toEqual({ stale: undefined, calls: [], spans: [] });
});

test('a subgraph reports nothing under the name of another', async () => {
  const subgraph = 'films';
  const { stale, calls, trace } = await report({
    books: { stale: [{ ...NOTE, subgraph }], calls: [{ ...ROW, subgraph }], spans: [{ ...SPAN, subgraph }] },
  });
  expect([...(stale ?? []), ...calls, ...trace.calls]).toMatchObject(Array(3).fill({ subgraph: 'books' }));
});

test('notes about an entity at many places are bounded in number', async () => {
  const book = 'type Book @key(fields: "id") { id: ID!';
  external = await startFederation({
    films: {
      schema: `type Query { books: [Book] } ${book} }`,
      fields: { 'Query.books': () => Array(40).fill({ id: 1 }) },
    },
    books: { schema: `${book} title: String }` },
  });
  const stale = Array.from({ length: 1_000 }, (_, index) => ({ ...NOTE, path: ['_entities', 0, `field${index}`] }));
  answer(external.subgraphs.books, { _entities: [{ title: 'Emma' }] }, { stale });
  const { data, text } = await external.ask('{ books { title } }');
  expect(data).toEqual({ books: Array(40).fill({ title: 'Emma' }) });
  expect(JSON.parse(text).extensions.tributary.stale).toHaveLength(10_000);
});

test('a trace has at most ten thousand spans, of all subgraphs together', async () => {
  const { trace } = await report({
    books: { spans: Array(6_000).fill(SPAN) },
    films: { spans: Array(6_000).fill(SPAN) },
  });
  expect(trace.calls).toHaveLength(10_000);
});
