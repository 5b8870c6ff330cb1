import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHandler } from 'graphql-sse/lib/use/http';
import { useServer } from 'graphql-ws/use/ws';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { openEventStream, refusalOf } from '../helpers/event-stream.ts';
import { type SupergraphGateway, serveSupergraph } from '../helpers/federation.ts';
import { connectRaw, postText } from '../helpers/raw-socket.ts';
import {
  composeSubgraphs,
  createSubgraphSchema,
  type SubgraphServer,
  startSubgraph,
} from '../helpers/subgraph-server.ts';

/*
 * Subscriptions to subgraphs that somebody else serves, with the libraries graphql-sse and graphql-ws.
 */

const REVIEWS = `
  type Query { review(id: ID!): Review }
  type Review @key(fields: "id") { id: ID! text: String book: Book }
  type Book @key(fields: "id") { id: ID! }
  type Subscription { reviewAdded(book: ID): Review broken: Review }
`;
const BOOKS = 'type Query { book(id: ID!): Book } type Book @key(fields: "id") { id: ID! title: String }';

type Review = { readonly id: string; readonly text: string; readonly book: { readonly id: string } };

/** Events that a subgraph sends to all that subscribe. */
const createTopic = () => {
  const waiting = new Set<(review: Review | undefined) => void>();
  let opened = 0;
  let taken = 0;
  return {
    /** The number of events that were taken to be sent. Each is taken when the one before is sent. */
    taken: () => taken,
    subscribers: () => waiting.size,
    /** The number of subscriptions so far. */
    opened: () => opened,
    publish: (review: Review | undefined) => {
      for (const send of waiting) send(review);
    },
    // No generator: one that waits cannot be ended.
    subscribe: (book: string | undefined): AsyncIterableIterator<{ readonly reviewAdded: Review }> => {
      type Result = IteratorResult<{ readonly reviewAdded: Review }>;
      const DONE: Result = { done: true, value: undefined };
      const queue: Result[] = [];
      const takers: ((result: Result) => void)[] = [];
      const push = (result: Result): void => {
        const taker = takers.shift();
        if (taker) taker(result);
        else queue.push(result);
      };
      const send = (review: Review | undefined): void => {
        if (!review) end();
        else if (book === undefined || review.book.id === book) push({ done: false, value: { reviewAdded: review } });
      };
      const end = (): void => {
        waiting.delete(send);
        push(DONE);
      };
      waiting.add(send);
      opened += 1;
      const iterator: AsyncIterableIterator<{ readonly reviewAdded: Review }> = {
        next: () => {
          const result = queue.shift();
          if (result) taken += 1;
          return result ? Promise.resolve(result) : new Promise((resolve) => void takers.push(resolve));
        },
        return: async () => {
          end();
          return DONE;
        },
        [Symbol.asyncIterator]: () => iterator,
      };
      return iterator;
    },
  };
};

const topic = createTopic();
const headersSeen: (string | undefined)[] = [];
let reviews: Server;
let books: SubgraphServer;
let sockets: WebSocketServer;

beforeAll(async () => {
  const schema = createSubgraphSchema({ schema: REVIEWS });
  const fields = schema.getSubscriptionType()?.getFields();
  if (!fields?.['reviewAdded'] || !fields['broken']) throw new Error('The schema has no subscription.');
  fields['reviewAdded'].subscribe = (_root, { book }) => topic.subscribe(book);
  fields['broken'].subscribe = () => {
    throw new Error('This cannot be subscribed to.');
  };
  const handler = createHandler({ schema });
  reviews = createServer((request, response) => {
    headersSeen.push(request.headers['x-app'] as string | undefined);
    if (request.headers.accept === 'text/event-stream') return void handler(request, response);
    response.end('{"data":null}');
  });
  sockets = new WebSocketServer({ server: reviews });
  // Without pings of its own, with which it would end silent connections itself.
  useServer({ schema }, sockets, 0);
  await new Promise<void>((resolve) => reviews.listen(0, '127.0.0.1', resolve));
  books = await startSubgraph({
    schema: BOOKS,
    fields: { 'Book.title': ({ id }: { id: string }) => `Title ${id}` },
  });
});
afterAll(async () => {
  for (const socket of sockets.clients) socket.terminate();
  reviews.closeAllConnections();
  reviews.close();
  await books.close();
});

const start = async (env: Record<string, string> = {}): Promise<SupergraphGateway> => {
  const url = `http://127.0.0.1:${(reviews.address() as AddressInfo).port}/graphql`;
  const sdl = composeSubgraphs({ reviews: { schema: REVIEWS, url }, books: { schema: BOOKS, url: books.url } });
  const gateway = await serveSupergraph(sdl, env);
  onTestFinished(gateway.close);
  return gateway;
};

const review = (id: string, book = id): Review => ({ id, text: `Text ${id}`, book: { id: book } });
const until = (condition: () => boolean): Promise<void> => expect.poll(condition).toBe(true);

const QUERY = 'subscription ($book: ID) { reviewAdded(book: $book) { text book { title } } }';
const result = (id: string, book = id) => ({
  data: { reviewAdded: { text: `Text ${id}`, book: { title: `Title ${book}` } } },
});

describe.each([
  ['server-sent events', {}],
  ['WebSocket', { SUBGRAPH_SOCKETS: 'reviews' }],
])('over %s', (_name, env) => {
  test('events are completed by other subgraphs, and equal subscriptions share one', async () => {
    const { url } = await start(env);
    const streams = await Promise.all([1, 2, 3].map(() => openEventStream(url, { query: QUERY })));
    const filtered = await openEventStream(url, { query: QUERY, variables: { book: '7' } });
    await until(() => topic.subscribers() === 2);
    books.requests.length = 0;
    topic.publish(review('1'));
    topic.publish(review('2', '7'));
    for (const stream of streams)
      await expect.poll(() => stream.results()).toMatchObject([result('1'), result('2', '7')]);
    await expect.poll(() => filtered.results()).toMatchObject([result('2', '7')]);
    // One fetch for each event of each of the two, and equal fetches at a time are one.
    expect(books.requests.length).toBeLessThanOrEqual(3);
    // The last one that leaves ends the subscription at the subgraph.
    for (const stream of streams) stream.close();
    await until(() => topic.subscribers() === 1);
    filtered.close();
    await until(() => topic.subscribers() === 0);
  });

  test('the end of the subgraph’s events ends the stream', async () => {
    const { url } = await start(env);
    const stream = await openEventStream(url, { query: QUERY });
    await until(() => topic.subscribers() === 1);
    topic.publish(review('1'));
    topic.publish(undefined);
    await stream.ended;
    expect(stream.results()).toMatchObject([result('1')]);
    expect(stream.events.at(-1)?.event).toBe('complete');
  });

  test('events that a slow client has not read yet arrive before the end', async () => {
    const { url } = await start(env);
    const quick = await openEventStream(url, { query: QUERY });
    const slow = await connectRaw(url);
    const headers = 'accept: text/event-stream\r\naccept-language: *\r\n';
    slow.write(postText(JSON.stringify({ query: QUERY }), { headers }));
    await slow.until(':\n\n');
    slow.socket.pause();
    await until(() => topic.subscribers() === 1);
    // More than the system buffers.
    const ids = Array.from({ length: 40 }, (_one, index) => String(index));
    for (const id of ids) topic.publish({ ...review(id), text: '-'.repeat(500_000) });
    topic.publish(undefined);
    await quick.ended;
    slow.socket.resume();
    await slow.until('event: complete');
    const titles = [...slow.received().matchAll(/"Title (\d+)"/g)].map(([, id]) => id);
    expect(titles).toEqual(ids);
    slow.socket.destroy();
  });

  test('a lost connection ends the stream with a code', async () => {
    const { url } = await start(env);
    const stream = await openEventStream(url, { query: QUERY });
    await until(() => topic.subscribers() === 1);
    reviews.closeAllConnections();
    for (const socket of sockets.clients) socket.terminate();
    await stream.ended;
    expect(stream.results()).toEqual([
      { errors: [{ message: expect.any(String), extensions: { code: 'SUBSCRIPTION_LOST' } }] },
    ]);
  });

  test('a refusal of the subgraph is told', async () => {
    const { url } = await start(env);
    const stream = await openEventStream(url, { query: 'subscription { broken { id } }' });
    const text = await stream.ended;
    expect(text).toContain('"code"');
    expect(topic.subscribers()).toBe(0);
  });

  test('it cannot be continued after an event', async () => {
    const { url } = await start(env);
    const opened = topic.opened();
    const stream = await openEventStream(url, { query: QUERY }, { 'last-event-id': 'abc-1-0' });
    expect(await refusalOf(stream)).toMatchObject({ errors: [{ extensions: { code: 'EVENTS_EXPIRED' } }] });
    expect(topic.subscribers()).toBe(0);
    expect(topic.opened()).toBe(opened);
  });

  test('a new supergraph keeps the subscription, and one that makes it invalid ends it', async () => {
    const { url, change } = await start(env);
    const stream = await openEventStream(url, { query: QUERY });
    await until(() => topic.subscribers() === 1);
    const opened = topic.opened();
    const reviewsUrl = `http://127.0.0.1:${(reviews.address() as AddressInfo).port}/graphql`;
    const sdlWith = (schema: string) =>
      composeSubgraphs({ reviews: { schema: REVIEWS, url: reviewsUrl }, books: { schema, url: books.url } });
    await change(sdlWith(BOOKS.replace('title: String', 'title: String pages: Int')));
    await expect.poll(async () => (await (await fetch(`${url}/schema.graphql`)).text()).includes('pages')).toBe(true);
    topic.publish(review('1'));
    await expect.poll(() => stream.results()).toMatchObject([result('1')]);
    // The gateway has subscribed again.
    await until(() => topic.opened() === opened + 1 && topic.subscribers() === 1);
    topic.publish(review('2'));
    await expect.poll(() => stream.results()).toMatchObject([result('1'), result('2')]);
    await change(sdlWith(BOOKS.replace('title: String', 'name: String')));
    await expect
      .poll(async () => (await (await fetch(`${url}/schema.graphql`)).text()).includes('name: String'))
      .toBe(true);
    topic.publish(review('3'));
    await stream.ended;
    expect(stream.results().at(-1)).toMatchObject({ errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] });
  });
});

test('over WebSocket, a subgraph that does not answer a ping counts as lost', async () => {
  const { url } = await start({ SUBGRAPH_SOCKETS: 'reviews', SUBSCRIPTION_HEARTBEAT_S: '1' });
  const stream = await openEventStream(url, { query: QUERY });
  await until(() => topic.subscribers() === 1);
  for (const socket of sockets.clients) socket.pause();
  await expect
    .poll(() => stream.results().at(-1))
    .toMatchObject({ errors: [{ extensions: { code: 'SUBSCRIPTION_LOST' } }] });
  for (const socket of sockets.clients) socket.terminate();
  await until(() => topic.subscribers() === 0);
});

test('over WebSocket, events that wait for others to be executed stay at the subgraph, and arrive later', async () => {
  const { url } = await start({ SUBGRAPH_SOCKETS: 'reviews' });
  const stream = await openEventStream(url, { query: QUERY });
  await until(() => topic.subscribers() === 1);
  books.requests.length = 0;
  const gate = Promise.withResolvers<boolean>();
  books.before = () => gate.promise;
  onTestFinished(() => {
    books.before = () => false;
  });
  // More than the system buffers.
  const text = 'x'.repeat(1_000_000);
  const taken = topic.taken();
  for (let id = 1; id <= 60; id += 1) topic.publish({ ...review(String(id)), text });
  await until(() => books.requests.length > 0);
  // Meanwhile, the gateway could have read all of them.
  for (let count = 0; count < 50; count += 1) await fetch(`${url}/schema.graphql`);
  expect(topic.taken() - taken).toBeLessThan(40);
  gate.resolve(false);
  await expect.poll(() => stream.results().at(-1)?.data?.reviewAdded.book).toEqual({ title: 'Title 60' });
  const missed = stream.results().reduce((total, one) => total + (one.extensions?.tributary?.missed ?? 0), 0);
  expect(stream.results().length + missed).toBe(60);
});

test('clients whose headers the subgraph sees do not share a subscription', async () => {
  const { url } = await start({ FORWARD_HEADERS: 'x-app' });
  const streams = await Promise.all(
    ['one', 'two', 'one'].map((app) => openEventStream(url, { query: QUERY }, { 'x-app': app })),
  );
  await until(() => topic.subscribers() === 2);
  expect(headersSeen).toEqual(expect.arrayContaining(['one', 'two']));
  for (const stream of streams) stream.close();
  await until(() => topic.subscribers() === 0);
});

test('a client that may not read the events any more gets no further one, and others of its group do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'policies-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const readers = new Set(['one', 'two']);
  Object.assign(globalThis, { readers });
  const POLICIES = join(folder, 'policies.ts');
  await writeFile(
    POLICIES,
    "export default async (_: unknown, { headers }: any) => (globalThis as any).readers.has(headers['x-app']) ? ['reader'] : [];",
  );
  const url = `http://127.0.0.1:${(reviews.address() as AddressInfo).port}/graphql`;
  const schema = REVIEWS.replace('text: String', 'text: String @policy(policies: [["reader"]])');
  const sdl = composeSubgraphs({ reviews: { schema, url }, books: { schema: BOOKS, url: books.url } });
  const gateway = await serveSupergraph(sdl, {
    ...{ POLICIES, AUTH: 'optional' },
    ...{ JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'https://graph.example', JWT_SECRET: 'x'.repeat(32) },
  });
  onTestFinished(gateway.close);
  const open = (app: string) => openEventStream(gateway.url, { query: QUERY }, { 'x-app': app });
  const [first, second] = [await open('one'), await open('two')];
  await until(() => topic.subscribers() === 1);
  topic.publish(review('1'));
  for (const stream of [first, second]) await expect.poll(() => stream.results()).toMatchObject([result('1')]);
  readers.delete('one');
  topic.publish(review('2'));
  await first.ended;
  expect(first.results()).toEqual([
    expect.objectContaining(result('1')),
    { errors: [{ message: expect.any(String), extensions: { code: 'FORBIDDEN' } }] },
  ]);
  await expect.poll(() => second.results()).toMatchObject([result('1'), result('2')]);
  second.close();
});

test('a subgraph that is away refuses the subscription', async () => {
  const sdl = composeSubgraphs({
    reviews: { schema: REVIEWS, url: 'http://127.0.0.1:9/' },
    books: { schema: BOOKS, url: books.url },
  });
  const gateway = await serveSupergraph(sdl);
  onTestFinished(gateway.close);
  const stream = await openEventStream(gateway.url, { query: QUERY });
  expect(await refusalOf(stream)).toMatchObject({ errors: [{ extensions: { code: 'UPSTREAM_UNAVAILABLE' } }] });
});
