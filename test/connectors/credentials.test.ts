import { afterEach, expect, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider, type Provider } from '../../connectors/provider.ts';
import { byKey, operation } from '../../connectors/reads/read.ts';
import { address, readSettings, secret, url } from '../../connectors/settings.ts';
import { resetClock, stopClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* Credentials of one provider share nothing. */

type Notes = ReadonlyMap<string, string>;

const notes = defineProvider({
  name: 'notes',
  title: 'Notes',
  envPrefix: 'NOTES',
  settings: { TOKEN: secret(url(), ''), BASE_URL: address(url(), '') },
  identity: ({ BASE_URL, TOKEN }) => [BASE_URL, TOKEN],
  defaults: { timeoutMs: 5_000, concurrency: 1 },
  rateLimits: [{ name: 'account', calls: 4, windowMs: 60_000 }],
  cachePolicies: { notes: { maxAge: 600, staleWhileRevalidate: 600, staleIfError: 600 } },
  transport: http(),
  api: ({ send }, { BASE_URL, TOKEN }) => ({
    notes: operation(
      'GET /notes',
      (name) =>
        async (keys: readonly string[], options: RequestOptions): Promise<Notes> => {
          const { body } = await send({
            ...options,
            operation: name,
            method: 'GET',
            url: `${BASE_URL}/notes?${keys.join(',')}`,
            headers: { authorization: TOKEN },
            write: false,
          });
          return new Map(Object.entries(JSON.parse(body) as Record<string, string>));
        },
    ),
  }),
  reads: (api) => ({ note: byKey(api.notes, { batchSize: 10, policy: 'notes' }) }),
});

type Seen = { readonly token: string; readonly keys: readonly string[] };

const [ADA, BEN] = ['https://ada.example', 'https://ben.example'];
const as = (token: string, more: RequestOptions = {}): RequestOptions => ({
  ...more,
  credentials: new Map([['notes', { TOKEN: token }]]),
});

let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  closing = [];
  resetClock();
});

const start = async (env: Readonly<Record<string, string>> = {}) => {
  const seen: Seen[] = [];
  const failing = new Set<string>();
  let hold: Promise<void> | undefined;
  const server = await startHttpServer(async (request, response) => {
    const token = request.headers.authorization ?? '';
    const keys = (request.url ?? '').replace('/notes?', '').split(',');
    seen.push({ token, keys });
    await hold;
    response.statusCode = failing.has(token) ? 500 : 200;
    response.end(JSON.stringify(Object.fromEntries(keys.map((key) => [key, `${key} of ${token}`]))));
  });
  const settingsOf = (token: string) => readSettings(notes, { NOTES_TOKEN: token, NOTES_BASE_URL: server.url, ...env });
  const infrastructure = createInfrastructure({ cacheBytes: 1024 * 1024 });
  const created = createProvider(infrastructure, notes, { subgraph: 'notes', settings: settingsOf(ADA) });
  const provider: Provider<unknown, ReturnType<typeof notes.reads>> = created;
  closing.push(provider.close, server.close);
  const load = (options: RequestOptions, ...keys: string[]) =>
    provider.connect(options).readers.note.load(keys, options);
  /** Holds back responses until the returned function is called. */
  const holdResponses = () => {
    const gate = Promise.withResolvers<void>();
    hold = gate.promise;
    return gate.resolve;
  };
  return {
    seen,
    failing,
    load,
    provider,
    holdResponses,
    configure: (token: string) => created.configure(settingsOf(token)),
  };
};

test('given no credential, then the configured one is used, and the same one given is the same', async () => {
  const { seen, load, provider } = await start();
  expect(await load({}, 'a')).toEqual([{ value: `a of ${ADA}` }]);
  expect(seen).toEqual([{ token: ADA, keys: ['a'] }]);
  expect(provider.connect(as(BEN))).toBe(provider.connect(as(BEN)));
  expect(provider.connect(as(ADA))).toBe(provider.connect());
});

test('what one has read is not given to the other, and one’s invalidation leaves the other’s', async () => {
  const { seen, load, provider } = await start();
  await load({}, 'a');
  expect(await load(as(BEN), 'a')).toEqual([{ value: `a of ${BEN}` }]);
  await provider.connect().invalidate({ note: ['a'] });
  await load({}, 'a');
  await load(as(BEN), 'a');
  expect(seen.map(({ token }) => token)).toEqual([ADA, BEN, ADA]);
});

test('keys of both at once go out in requests of their own', async () => {
  const { seen, load } = await start();
  await Promise.all([load({}, 'a'), load(as(BEN), 'b'), load({}, 'c'), load(as(BEN), 'a')]);
  expect(seen).toEqual(
    expect.arrayContaining([
      { token: ADA, keys: ['a', 'c'] },
      { token: BEN, keys: ['b', 'a'] },
    ]),
  );
  expect(seen).toHaveLength(2);
});

test('one’s rate limit is not the other’s', async () => {
  const { seen, load } = await start();
  const soon = () => ({ priority: { deadlineAt: performance.now() + 2_000, isBackground: false, flow: {} } });
  for (const key of ['a', 'b', 'c', 'd']) await load(soon(), key);
  expect(await load(soon(), 'e')).toMatchObject([{ code: 'UPSTREAM_RATE_LIMITED' }]);
  expect(await load(as(BEN, soon()), 'e')).toEqual([{ value: `e of ${BEN}` }]);
  expect(seen.filter(({ token }) => token === BEN)).toHaveLength(1);
});

test('one’s open circuit is not the other’s', async () => {
  const { failing, load, seen } = await start({ NOTES_QUOTA: 'account=1000/1' });
  // The circuit stays open however long the test takes.
  stopClock();
  failing.add(BEN);
  for (let index = 0; index < 20; index += 1) await load(as(BEN), `b${index}`);
  const before = seen.length;
  expect(await load(as(BEN), 'z')).toMatchObject([{ code: 'UPSTREAM_UNAVAILABLE' }]);
  expect(seen).toHaveLength(before);
  expect(await load({}, 'z')).toEqual([{ value: `z of ${ADA}` }]);
});

test('no more than a hundred are kept open; one that was closed is opened anew', async () => {
  const { load, provider } = await start();
  const first = provider.connect(as(BEN));
  for (let index = 0; index < 100; index += 1) provider.connect(as(`https://${index}.example`));
  expect(provider.connect(as(BEN))).not.toBe(first);
  expect(await load(as(BEN), 'a')).toEqual([{ value: `a of ${BEN}` }]);
});

test('a hundred that were evicted stay usable; older ones finish their requests and are closed', async () => {
  const { seen, provider, holdResponses } = await start();
  const open = (token: string) => provider.connect(as(token)).readers.note;
  const release = holdResponses();
  const oldest = open(BEN);
  const running = oldest.load(['a'], {});
  await expect.poll(() => seen.length).toBe(1);
  const later = Array.from({ length: 200 }, (_, index) => open(`https://${index}.example`));
  release();
  expect(await running).toEqual([{ value: `a of ${BEN}` }]);
  expect(await later[0]?.load(['a'], {})).toEqual([{ value: 'a of https://0.example' }]);
  expect(await oldest.load(['b'], {})).toMatchObject([
    { code: 'UPSTREAM_UNAVAILABLE', details: { mayHaveArrived: false } },
  ]);
  expect(seen).toHaveLength(2);
});

test('given another configured credential, then requests that begin after that use it', async () => {
  const { seen, load, provider, configure } = await start();
  const before = provider.connect();
  const ownOfBen = provider.connect(as(BEN));
  expect(configure(ADA)).toBe(false);
  expect(provider.connect()).toBe(before);
  expect(configure(BEN)).toBe(true);
  // It was open already, for a client that gave it.
  expect(provider.connect()).toBe(ownOfBen);
  expect(await load({}, 'a')).toEqual([{ value: `a of ${BEN}` }]);
  expect(await before.readers.note.load(['b'], {})).toEqual([{ value: `b of ${ADA}` }]);
  expect(await load(as(ADA), 'c')).toEqual([{ value: `c of ${ADA}` }]);
  expect(seen.map(({ token }) => token)).toEqual([BEN, ADA, ADA]);
});

test('given another configured credential, then closing waits for requests with the one before', async () => {
  const { seen, provider, holdResponses, configure } = await start();
  const release = holdResponses();
  const running = provider.connect().readers.note.load(['a'], {});
  await expect.poll(() => seen.length).toBe(1);
  configure(BEN);
  let isClosed = false;
  const closed = provider.close().then(() => {
    isClosed = true;
  });
  closing = closing.filter((close) => close !== provider.close);
  // Long enough for a close that waits for nothing.
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  expect(isClosed).toBe(false);
  release();
  expect(await running).toEqual([{ value: `a of ${ADA}` }]);
  await closed;
});

test('a write that began before another credential was configured invalidates what was read with that', async () => {
  const { seen, load, provider, configure } = await start();
  const before = provider.connect();
  configure(BEN);
  await load({}, 'a');
  await before.invalidate({ note: ['a'] });
  await load({}, 'a');
  expect(seen.map(({ token }) => token)).toEqual([BEN, BEN]);
});
