import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openPostgresStore } from '../../events/inbox/postgres.ts';
import { LOCK } from '../../events/inbox/postgres-tables.ts';
import { IN_MEMORY, openSqliteStore } from '../../events/inbox/sqlite.ts';
import type { Decision, InboxStore, NewEvent, StoredEvent } from '../../events/inbox/store.ts';
import { startPostgres, type TestPostgres } from '../helpers/postgres.ts';
import { startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* What every store of the inbox does. */

const event = (id: string, changes: Partial<NewEvent> = {}): NewEvent => ({
  provider: 'stripe',
  id,
  digest: Buffer.from(id).toString('hex'),
  type: 'customer.updated',
  object: 'customer cus_1',
  version: null,
  receivedAt: 1_796_000_000_000,
  payload: '{"email":"ada@customers.example"}',
  ...changes,
});

const upTo = (limit: number) => ({ providers: ['stripe', 'hubspot'], limit });

const nothing = (): Decision => ({ changes: '{}', messages: null });

/** `open` opens a further store of the same events. */
const conformance = (
  create: () => Promise<{ readonly store: InboxStore; readonly open?: () => Promise<InboxStore> }>,
) => {
  const setUp = async () => {
    const { store, open } = await create();
    onTestFinished(() => store.close());
    return {
      store,
      another: async () => {
        const other = (await open?.()) as InboxStore;
        onTestFinished(() => other.close());
        return other;
      },
    };
  };
  const effectIds = async (store: InboxStore) => (await store.effectsAfter(0, 1_000)).map(({ id }) => id);

  test('stores an event once, by its id and by its content, and for each provider', async () => {
    const { store } = await setUp();
    expect(await store.insert([event('1'), event('2'), event('1')])).toEqual([true, true, false]);
    expect(await store.insert([event('3', { digest: event('1').digest })])).toEqual([false]);
    expect(await store.insert([event('1', { digest: 'another' })])).toEqual([false]);
    expect(await store.insert([event('1', { provider: 'hubspot' })])).toEqual([true]);
    await store.apply(upTo(10), nothing);
    expect(await store.insert([event('1'), event('2')])).toEqual([false, false]);
    expect(await store.insert([])).toEqual([]);
  });

  test('keeps every text', async () => {
    const { store } = await setUp();
    const id = 'évt_\u{1f600}\0\ud800\n"\'\\;--';
    expect(await store.insert([event(id, { object: id, payload: JSON.stringify({ id }) })])).toEqual([true]);
    expect(await store.insert([event(id)])).toEqual([false]);
    const seen: StoredEvent[] = [];
    await store.apply(upTo(10), (stored) => {
      seen.push(stored);
      return { changes: JSON.stringify({ id }), messages: JSON.stringify([{ topic: id }]) };
    });
    expect(JSON.parse(seen[0]?.payload ?? '')).toEqual({ id });
    const [effect] = await store.effectsAfter(0, 10);
    expect(JSON.parse(effect?.changes ?? '')).toEqual({ id });
  });

  test('applies the events of an object from the oldest to the newest, and says which ones come late', async () => {
    const { store } = await setUp();
    await store.insert([
      event('b', { version: 20 }),
      event('a', { version: 10 }),
      event('other', { object: 'customer cus_2', version: 5 }),
    ]);
    await store.apply(upTo(10), nothing);
    await store.insert([
      event('late', { version: 15 }),
      event('same', { version: 20 }),
      event('unversioned'),
      event('c', { version: 30 }),
      event('without object', { object: null, version: 1 }),
    ]);
    await store.apply(upTo(10), nothing);
    const orders = (await store.effectsAfter(0, 20)).map(({ id, order }) => [id, order]);
    expect(orders.filter(([id]) => ['a', 'b'].includes(id as string))).toEqual([
      ['a', 'newest'],
      ['b', 'newest'],
    ]);
    expect(Object.fromEntries(orders)).toEqual({
      a: 'newest',
      b: 'newest',
      other: 'newest',
      late: 'older',
      same: 'unknown',
      unversioned: 'unknown',
      c: 'newest',
      'without object': 'unknown',
    });
  });

  test('gives effects a place that is never used twice, and forgets their payloads', async () => {
    const { store } = await setUp();
    expect((await store.effectRange()).last).toBe(0);
    await store.insert([event('1'), event('2')]);
    expect(await store.apply(upTo(1), nothing)).toEqual({ events: 1, parked: [] });
    expect(await store.apply(upTo(10), nothing)).toEqual({ events: 1, parked: [] });
    expect(await store.apply(upTo(10), nothing)).toEqual({ events: 0, parked: [] });
    expect((await store.effectsAfter(0, 10)).map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect((await store.effectsAfter(1, 10)).map(({ id }) => id)).toEqual(['2']);
    expect((await store.effectsAfter(0, 1)).map(({ id }) => id)).toEqual(['1']);
    expect(await store.prune(1_796_000_000_001)).toBe(2);
    await store.insert([event('3')]);
    await store.apply(upTo(10), nothing);
    expect(await store.effectsAfter(0, 10)).toEqual([expect.objectContaining({ id: '3', sequence: 3, changes: '{}' })]);
    expect((await store.effectRange()).last).toBe(3);
    expect(await store.effectsAfter(0, 10)).not.toEqual([expect.objectContaining({ payload: expect.anything() })]);
  });

  test('parks what cannot be applied, goes on with others, and applies it when it is replayed', async () => {
    const { store } = await setUp();
    await store.insert([event('good 1'), event('bad 1'), event('good 2'), event('bad 2')]);
    const { events, parked } = await store.apply(upTo(10), ({ id }) =>
      id.startsWith('bad') ? { problem: 'Unexpected id.' } : nothing(),
    );
    expect([events, parked.map(({ id }) => id)]).toEqual([4, ['bad 1', 'bad 2']]);
    expect(await effectIds(store)).toEqual(['good 1', 'good 2']);
    expect(await store.state()).toMatchObject({ waiting: 0, parked: 2, oldestWaitingAt: null });
    const listed = await store.list({ states: ['parked'], limit: 10 });
    expect(listed.map(({ id, problem }) => [id, problem])).toEqual([
      ['bad 2', 'Unexpected id.'],
      ['bad 1', 'Unexpected id.'],
    ]);
    const [, first] = listed;
    expect(await store.replay([first?.position ?? 0, 999_999])).toBe(1);
    expect(await store.state()).toMatchObject({ waiting: 1, parked: 1, oldestWaitingAt: 1_796_000_000_000 });
    await store.apply(upTo(10), nothing);
    expect(await store.replay('all')).toBe(1);
    await store.apply(upTo(10), nothing);
    expect(await effectIds(store)).toEqual(['good 1', 'good 2', 'bad 1', 'bad 2']);
    // Applied events are not replayed.
    expect(await store.replay([first?.position ?? 0])).toBe(0);
  });

  test('forgets old events, and never one that waits', async () => {
    const { store } = await setUp();
    await store.insert([event('old', { receivedAt: 1 }), event('parked', { receivedAt: 2 }), event('new')]);
    await store.apply(upTo(10), ({ id }) => (id === 'parked' ? { problem: 'x' } : nothing()));
    await store.insert([event('waiting', { receivedAt: 1 })]);
    expect(await store.prune(1_000)).toBe(2);
    expect(await store.list({ states: ['applied', 'parked', 'waiting'], limit: 10 })).toHaveLength(2);
    expect(await store.insert([event('old'), event('new')])).toEqual([true, false]);
  });

  test('leaves the events of other providers to those who have their webhooks', async () => {
    const { store } = await setUp();
    await store.insert([event('1'), event('2', { provider: 'hubspot' })]);
    expect(await store.apply({ providers: ['hubspot'], limit: 10 }, nothing)).toEqual({ events: 1, parked: [] });
    expect(await store.apply({ providers: [], limit: 10 }, nothing)).toEqual({ events: 0, parked: [] });
    expect(await effectIds(store)).toEqual(['2']);
    expect(await store.state()).toMatchObject({ waiting: 1 });
  });

  test('has room again after old events were forgotten', async () => {
    const { store } = await setUp();
    const payload = JSON.stringify('x'.repeat(50_000));
    await store.insert(Array.from({ length: 20 }, (_, index) => event(`evt_${index}`, { payload })));
    expect((await store.state()).bytes).toBeGreaterThan(1_000_000);
    await store.apply(upTo(20), nothing);
    expect((await store.state()).bytes).toBeLessThan(500_000);
  });

  test('moves a cursor forward only', async () => {
    const { store } = await setUp();
    expect(await store.readCursor('invalidation')).toBeUndefined();
    await store.writeCursor('invalidation', 5);
    await store.writeCursor('invalidation', 3);
    expect(await store.readCursor('invalidation')).toBe(5);
  });

  test('stores and applies thousands of events', async () => {
    const { store } = await setUp();
    const events = Array.from({ length: 2_500 }, (_, index) =>
      event(`evt_${index}`, { object: `o ${index % 50}`, version: index }),
    );
    expect((await store.insert(events)).every(Boolean)).toBe(true);
    expect((await store.insert(events)).some(Boolean)).toBe(false);
    while ((await store.apply(upTo(500), nothing)).events > 0);
    const sequences = (await store.effectsAfter(0, 5_000)).map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1));
    expect((await store.state()).bytes).toBeGreaterThan(100_000);
  });

  return { setUp };
};

describe('in memory', () => {
  conformance(async () => ({ store: openSqliteStore(IN_MEMORY) }));
});

/** What stores that several processes share do as well. */
const shared = (create: Parameters<typeof conformance>[0]) => {
  const { setUp } = conformance(create);

  test('given two processes, then an event is stored once, applied once, and seen by both', async () => {
    const { store, another } = await setUp();
    const other = await another();
    const events = Array.from({ length: 200 }, (_, index) => event(`evt_${index}`));
    const inserted = await Promise.all([store.insert(events), other.insert(events.toReversed())]);
    expect(inserted.flat().filter(Boolean)).toHaveLength(200);
    const decided: string[] = [];
    const decide = ({ id }: StoredEvent) => {
      decided.push(id);
      return nothing();
    };
    await Promise.all(Array.from({ length: 10 }, (_, index) => (index % 2 ? store : other).apply(upTo(30), decide)));
    expect(new Set(decided).size).toBe(200);
    expect(decided).toHaveLength(200);
    for (const one of [store, other]) {
      const sequences = (await one.effectsAfter(0, 300)).map(({ sequence }) => sequence);
      expect(sequences).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    }
  });
};

describe('in an SQLite file', () => {
  const newFile = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'events-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return join(folder, 'events.sqlite');
  };
  shared(async () => {
    const file = newFile();
    const open = async () => openSqliteStore(file);
    return { store: await open(), open };
  });

  test('given a lock of another process, then writes wait for it, and do not block this process', async () => {
    const file = newFile();
    const store = openSqliteStore(file);
    onTestFinished(() => store.close());
    const other = new DatabaseSync(file);
    onTestFinished(() => other.close());
    other.exec('BEGIN IMMEDIATE');
    const writes = [store.insert([event('1')]), store.writeCursor('test', 1), store.prune(0), store.replay('all')];
    other.exec('COMMIT');
    expect(await Promise.all(writes)).toEqual([[true], undefined, 0, 0]);
  });

  test('lets nobody else read its files', async () => {
    const file = newFile();
    const store = openSqliteStore(file);
    onTestFinished(() => store.close());
    await store.insert([event('1')]);
    const modes = [file, `${file}-wal`, `${file}-shm`].map((one) => statSync(one).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600, 0o600]);
  });
});

describe.skipIf(!hasTool('postgres and initdb'))('in Postgres', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.close());

  const create = async () => {
    const url = await server.createDatabase();
    const open = () => openPostgresStore(url);
    // Both create the tables.
    const [store, other] = await Promise.all([open(), open()]);
    await other.close();
    return { store, open };
  };
  shared(create);

  test('given a crash of the server, then calls fail until it is back, and nothing that was committed is missing', {
    tags: ['long'],
  }, async () => {
    const { store } = await create();
    onTestFinished(() => store.close());
    await store.insert([event('1')]);
    await server.kill();
    await expect(store.insert([event('2')])).rejects.toThrow();
    await server.start();
    expect(await store.insert([event('1'), event('2')])).toEqual([false, true]);
  });

  test('given a process that is frozen while it applies events, then another one applies them', {
    tags: ['long'],
  }, async () => {
    const url = await server.createDatabase();
    const store = await openPostgresStore(url);
    onTestFinished(() => store.close());
    await store.insert([event('1')]);
    const script = `
      const { openPostgresStore } = await import('./events/inbox/postgres.ts');
      const store = await openPostgresStore(process.env.EVENTS_URL);
      await store.apply({ providers: ['stripe'], limit: 10 }, () => {
        console.log('frozen');
        process.kill(process.pid, 'SIGSTOP');
      });`;
    const frozen = startProcess(['node', '--input-type=module', '--eval', script], { EVENTS_URL: url });
    onTestFinished(async () => {
      frozen.process.kill('SIGKILL');
      await frozen.ended;
    });
    await expect.poll(frozen.output, { timeout: 20_000 }).toContain('frozen');
    const apply = () =>
      store.apply(upTo(10), nothing).then(
        ({ events }) => events,
        () => 'locked',
      );
    await expect.poll(apply, { timeout: 30_000 }).toBe(1);
  });

  test('given a crash of the server within a transaction, then the call fails, and the next one does what it would', {
    tags: ['long'],
  }, async () => {
    const url = await server.createDatabase();
    const store = await openPostgresStore(url);
    const [holder, watcher] = [postgres(url, { max: 1 }), postgres(url, { max: 1 })];
    onTestFinished(async () => {
      await store.close();
      await Promise.all([holder.end(), watcher.end()]);
    });
    await store.insert([event('1')]);
    await holder`SELECT pg_advisory_lock(${LOCK})`;
    const applying = store.apply(upTo(10), nothing).then(
      () => 'applied',
      () => 'failed',
    );
    const waiting = () =>
      watcher`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
    await expect.poll(async () => (await waiting()).length).toBe(1);
    await server.kill();
    expect(await applying).toBe('failed');
    await server.start();
    expect(await store.apply(upTo(10), nothing)).toMatchObject({ events: 1 });
  });

  test('given a database that is not there, then the error names the variable and no password', async () => {
    const url = (await server.createDatabase()).replace('tributary@', 'tributary:pass-word@');
    await expect(openPostgresStore(`${url}_missing`)).rejects.toThrow(
      /^EVENTS_URL: the database cannot be used: database "events_\d+_missing" does not exist/,
    );
    const nobody = openPostgresStore('postgres://tributary:pass-word@127.0.0.1:1/x');
    await expect(nobody).rejects.toThrow('EVENTS_URL: the database cannot be used: ECONNREFUSED.');
  });
});
