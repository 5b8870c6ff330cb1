import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openPostgresStore } from '../../events/inbox/postgres.ts';
import { IN_MEMORY, openSqliteStore } from '../../events/inbox/sqlite.ts';
import type { EventStore, Observation, ToEvent } from '../../events/poller/poll-store.ts';
import { advanceClock, resetClock, stepClock } from '../helpers/clock.ts';
import { startPostgres, type TestPostgres } from '../helpers/postgres.ts';
import { hasTool } from '../helpers/tools.ts';

/* What every store keeps for pollers. */

afterEach(resetClock);

const HOUR_MS = 3_600_000;

const toEvent: ToEvent = (key, revision) => ({
  provider: 'openmage',
  id: `test ${revision}`,
  digest: `test ${revision}`,
  type: '(compared)',
  object: `product ${key}`,
  version: revision,
  receivedAt: 1_796_000_000_000,
  payload: JSON.stringify({ key }),
});

const compare = ({ polls }: EventStore, observations: readonly Observation[], maxWatched = 1_000): Promise<number> =>
  polls.compare('shop', observations, { wantedMs: HOUR_MS, maxWatched, toEvent });

/** The keys of the events, in order. */
const changedKeys = async (store: EventStore): Promise<string[]> => {
  const keys: string[] = [];
  await store.apply({ providers: ['openmage'], limit: 1_000 }, ({ payload }) => {
    keys.push(JSON.parse(payload).key);
    return { changes: '{}', messages: null };
  });
  return keys;
};

const wanted = (key: string, digest?: string): Observation => ({ key, digest, isWanted: true });

/** Those that were never read, or in an earlier millisecond. */
const due = ({ polls }: EventStore, limit = 1_000): Promise<string[]> => polls.due('shop', { ageMs: HOUR_MS, limit });

const conformance = (
  create: () => Promise<{ readonly store: EventStore; readonly another: () => Promise<EventStore> }>,
) => {
  const setUp = async () => {
    const { store, another } = await create();
    onTestFinished(() => store.close());
    return { store, another };
  };

  test('the first value is no change, an equal one neither, and each other one is an event', async () => {
    const { store } = await setUp();
    expect(await compare(store, [wanted('A', '1'), wanted('B', '1')])).toBe(0);
    expect(await compare(store, [wanted('A', '1'), { key: 'B', digest: '2' }])).toBe(1);
    // Back to an earlier value.
    expect(await compare(store, [{ key: 'B', digest: '1' }])).toBe(1);
    expect(await compare(store, [{ key: 'B', digest: '1' }])).toBe(0);
    expect(await changedKeys(store)).toEqual(['B', 'B']);
    expect(await compare(store, [])).toBe(0);
  });

  test('a key that nobody wants is not watched', async () => {
    const { store } = await setUp();
    expect(await compare(store, [{ key: 'A', digest: '1' }])).toBe(0);
    expect(await compare(store, [{ key: 'A', digest: '2' }])).toBe(0);
    expect((await store.polls.watchState('shop')).watched).toBe(0);
  });

  test('after a write, the next value is a change even if it is equal, and is due until it is read', async () => {
    const { store } = await setUp();
    await compare(store, [wanted('A', '1')]);
    expect(await due(store)).toEqual([]);
    expect(await compare(store, [{ key: 'A', isWritten: true, isWanted: true }])).toBe(0);
    expect(await due(store)).toEqual(['A']);
    expect(await compare(store, [{ key: 'A', digest: '1' }])).toBe(1);
    expect(await due(store)).toEqual([]);
    // Of a key that was not known, both at once.
    expect(await compare(store, [{ key: 'B', digest: '1', isWritten: true, isWanted: true }])).toBe(1);
    expect(await changedKeys(store)).toEqual(['A', 'B']);
  });

  test('the keys that were not read for longest are due first; those that failed are not due at once', async () => {
    const { store } = await setUp();
    await compare(store, [wanted('A'), wanted('B'), wanted('C', '1')]);
    expect((await due(store)).toSorted()).toEqual(['A', 'B']);
    expect(await due(store, 1)).toHaveLength(1);
    const old = () => store.polls.due('shop', { ageMs: 1, limit: 10 });
    await expect.poll(old).toContain('C');
    await compare(store, [
      { key: 'A', digest: '1' },
      { key: 'B', isFailed: true },
    ]);
    expect(await due(store)).toEqual([]);
    // The value of one that failed was not read: its first is no change.
    await expect.poll(old).toContain('A');
    expect(await compare(store, [{ key: 'B', digest: '1' }])).toBe(0);
    await expect.poll(old).toEqual(['C', 'A', 'B']);
    expect(await store.polls.due('another shop', { ageMs: 1, limit: 10 })).toEqual([]);
  });

  test('watches only so many keys', async () => {
    const { store } = await setUp();
    await compare(store, [wanted('A', '1'), wanted('B', '1'), wanted('C', '1')], 2);
    await compare(store, [wanted('D', '1'), wanted('B', '2')], 2);
    expect((await store.polls.watchState('shop')).watched).toBe(2);
    expect(await changedKeys(store)).toEqual(['B']);
  });

  test('forgets keys that the provider has never had, and no others', async () => {
    const { store } = await setUp();
    await compare(store, [wanted('A'), wanted('B', '1'), wanted('C', '1')]);
    const MISSING = '-';
    expect(
      await compare(store, [
        { key: 'A', digest: MISSING },
        { key: 'B', digest: MISSING },
      ]),
    ).toBe(1);
    // Wanted again, and still missing.
    expect(await compare(store, [wanted('A')])).toBe(0);
    expect(
      await compare(store, [
        { key: 'A', digest: MISSING },
        { key: 'B', digest: MISSING },
      ]),
    ).toBe(0);
    await expect
      .poll(async () => {
        await store.polls.forget('shop');
        return (await store.polls.watchState('shop')).watched;
      })
      .toBe(2);
    expect(await compare(store, [{ key: 'B', digest: '1' }])).toBe(1);
    expect(await changedKeys(store)).toEqual(['B', 'B']);
  });

  test('of the keys that are due, a tenth or what the others leave were never read', async () => {
    const { store } = await setUp();
    const keys = (name: string) => Array.from({ length: 30 }, (_, index) => `${name}${index}`);
    await compare(store, [...keys('unread').map((key) => wanted(key)), ...keys('read').map((key) => wanted(key, '1'))]);
    const dueOf = async (limit: number) => {
      const found = await store.polls.due('shop', { ageMs: 1, limit });
      return [found.length, found.filter((key) => key.startsWith('unread')).length];
    };
    await expect.poll(() => dueOf(20)).toEqual([20, 2]);
    expect(await dueOf(50)).toEqual([50, 20]);
    expect(await dueOf(100)).toEqual([60, 30]);
    await compare(
      store,
      keys('read').map((key) => ({ key, digest: '1' })),
    );
    expect(await due(store, 20)).toHaveLength(20);
  });

  test('forgets keys that nobody has wanted for long', async () => {
    const { store } = await setUp();
    await store.polls.compare('shop', [wanted('A', '1')], { wantedMs: -1, maxWatched: 10, toEvent });
    await compare(store, [wanted('B', '1')]);
    await store.polls.forget('shop');
    expect((await store.polls.watchState('shop')).watched).toBe(1);
    await compare(store, [
      { key: 'A', digest: '2' },
      { key: 'B', digest: '2' },
    ]);
    expect(await changedKeys(store)).toEqual(['B']);
  });

  test('one holder has the lease until it is released or over', async () => {
    const { store, another } = await setUp();
    const other = await another();
    expect(await store.polls.lease('shop', 'one', HOUR_MS)).toBe(true);
    expect(await other.polls.lease('shop', 'two', HOUR_MS)).toBe(false);
    expect(await other.polls.lease('another shop', 'two', HOUR_MS)).toBe(true);
    expect(await store.polls.lease('shop', 'one', HOUR_MS)).toBe(true);
    await other.polls.release('shop', 'two');
    expect(await other.polls.lease('shop', 'two', HOUR_MS)).toBe(false);
    await store.polls.release('shop', 'one');
    expect(await other.polls.lease('shop', 'two', 1)).toBe(true);
    // Its holder was killed.
    await expect.poll(() => store.polls.lease('shop', 'one', HOUR_MS)).toBe(true);
    expect(await other.polls.lease('shop', 'two', HOUR_MS)).toBe(false);
  });

  test('given a poll whose lease was lost meanwhile, then its values are ignored', async () => {
    const { store } = await setUp();
    await compare(store, [wanted('A', '1')]);
    const polled = (holder: string, digest: string) =>
      store.polls.compare('shop', [{ key: 'A', digest }], { wantedMs: HOUR_MS, maxWatched: 10, holder, toEvent });
    await store.polls.lease('shop', 'one', HOUR_MS);
    expect(await polled('two', '2')).toBe(0);
    expect(await polled('one', '2')).toBe(1);
    expect(await polled('two', '1')).toBe(0);
    expect(await changedKeys(store)).toEqual(['A']);
  });

  test('given two processes that see the same change, then it is one event', async () => {
    const { store, another } = await setUp();
    const other = await another();
    await compare(store, [wanted('A', '1'), wanted('B', '1')]);
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        compare(index % 2 === 0 ? store : other, [
          { key: 'A', digest: '2' },
          { key: 'B', digest: '2' },
        ]),
      ),
    );
    expect(counts.reduce((sum, count) => sum + count)).toBe(2);
    expect((await changedKeys(store)).toSorted()).toEqual(['A', 'B']);
  });

  test('given an event that cannot be stored, then the value is not either', async () => {
    const { store } = await setUp();
    await compare(store, [wanted('A', '1')]);
    const failing: ToEvent = () => {
      throw new Error('for the test');
    };
    const options = { wantedMs: HOUR_MS, maxWatched: 10, toEvent: failing };
    await expect(store.polls.compare('shop', [{ key: 'A', digest: '2' }], options)).rejects.toThrow('for the test');
    expect(await compare(store, [{ key: 'A', digest: '2' }])).toBe(1);
  });

  test('keeps the place in the list of all keys, as long as somebody wants it', async () => {
    const { store, another } = await setUp();
    const other = await another();
    expect(await store.polls.nextPage('shop', HOUR_MS)).toBeUndefined();
    await store.polls.wantAll('shop', HOUR_MS);
    expect(await other.polls.nextPage('shop', HOUR_MS)).toBeNull();
    await store.polls.turnPage('shop', '[501,500]');
    expect(await other.polls.nextPage('shop', HOUR_MS)).toBe('[501,500]');
    await store.polls.turnPage('shop', null);
    expect(await other.polls.nextPage('shop', HOUR_MS)).toBeUndefined();
    await expect.poll(() => other.polls.nextPage('shop', 1)).toBeNull();
    await store.polls.wantAll('shop', -1);
    expect(await other.polls.nextPage('shop', 1)).toBeUndefined();
  });
};

const newFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'events.sqlite');
};

describe('in memory', () => {
  conformance(async () => {
    const store = openSqliteStore(IN_MEMORY);
    return { store, another: async () => store };
  });

  test('given a clock that is set back, then the lease of a killed holder ends all the same, and keys are due', async () => {
    const store = openSqliteStore(IN_MEMORY);
    onTestFinished(() => store.close());
    await store.polls.lease('shop', 'one', 15_000);
    await compare(store, [wanted('A', '1')]);
    stepClock(-24 * HOUR_MS);
    expect(await store.polls.lease('shop', 'two', 15_000)).toBe(true);
    expect(await due(store)).toEqual(['A']);
    expect(await compare(store, [{ key: 'A', digest: '2' }])).toBe(1);
    advanceClock(20_000);
    expect(await store.polls.lease('shop', 'one', 15_000)).toBe(true);
  });
});

describe('in an SQLite file', () => {
  conformance(async () => {
    const file = newFile();
    return {
      store: openSqliteStore(file),
      another: async () => {
        const other = openSqliteStore(file);
        onTestFinished(() => other.close());
        return other;
      },
    };
  });

  test('adds its tables to those of an earlier version', async () => {
    const file = newFile();
    await openSqliteStore(file).close();
    const database = new DatabaseSync(file);
    database.exec('DROP TABLE pollers; DROP TABLE watched; DROP TABLE leases; PRAGMA user_version = 2');
    database.close();
    const store = openSqliteStore(file);
    onTestFinished(() => store.close());
    expect(await compare(store, [wanted('A', '1'), wanted('A', '2')])).toBe(1);
    expect(await store.lease('publisher', 'one', HOUR_MS)).toBe(true);
  });
});

describe.skipIf(!hasTool('postgres and initdb'))('in Postgres', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.close());

  conformance(async () => {
    const url = await server.createDatabase();
    return {
      store: await openPostgresStore(url),
      another: async () => {
        const other = await openPostgresStore(url);
        onTestFinished(() => other.close());
        return other;
      },
    };
  });

  test('adds its tables to those of an earlier version', async () => {
    const url = await server.createDatabase();
    await (await openPostgresStore(url)).close();
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await sql.unsafe(`DROP TABLE tributary_pollers, tributary_watched, tributary_leases;
      UPDATE tributary_inbox SET version = 2`);
    await sql.end();
    const store = await openPostgresStore(url);
    onTestFinished(() => store.close());
    expect(await compare(store, [wanted('A', '1'), wanted('A', '2')])).toBe(1);
    expect(await store.lease('publisher', 'one', HOUR_MS)).toBe(true);
  });

  test('given a clock of this machine that is wrong, then the database’s counts', async () => {
    const store = await openPostgresStore(await server.createDatabase());
    onTestFinished(() => store.close());
    await store.polls.lease('shop', 'one', HOUR_MS);
    await compare(store, [wanted('A', '1')]);
    stepClock(24 * HOUR_MS);
    expect(await store.polls.lease('shop', 'two', HOUR_MS)).toBe(false);
    expect(await due(store)).toEqual([]);
    await store.polls.forget('shop');
    expect((await store.polls.watchState('shop')).watched).toBe(1);
  });
});
