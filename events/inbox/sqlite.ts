import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigError } from '../../runtime/env.ts';
import type { EventStore } from '../poller/poll-store.ts';
import { SQLITE_POLL_TABLES } from '../poller/poll-tables.ts';
import { createSqlitePolls } from '../poller/sqlite-polls.ts';
import { SQLITE_LEASE_TABLES } from './lease-tables.ts';
import { createSqliteLeases } from './sqlite-leases.ts';
import { byVersion, type Effect, type ListedEvent, type NewEvent, orderOf, type StoredEvent } from './store.ts';

/** The name of a database in memory, which ends with the process. */
export const IN_MEMORY = ':memory:';

/** The version of the tables. A newer one is refused. */
const VERSION = 3;

// A row keeps its id and its digest after it was applied: by these, a repeated delivery is recognized.
const TABLES = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  provider TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, type TEXT NOT NULL, object TEXT, version REAL,
  receivedAt INTEGER NOT NULL, payload TEXT, state TEXT NOT NULL DEFAULT 'waiting', problem TEXT,
  sequence INTEGER UNIQUE, "order" TEXT, changes TEXT, messages TEXT,
  UNIQUE (provider, id), UNIQUE (provider, digest)
) STRICT;
CREATE INDEX open_events ON events (state, position) WHERE state != 'applied';
CREATE INDEX closed_events ON events (receivedAt) WHERE state != 'waiting';
CREATE TABLE objects (
  provider TEXT NOT NULL, object TEXT NOT NULL, version REAL NOT NULL, receivedAt INTEGER NOT NULL,
  PRIMARY KEY (provider, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX old_objects ON objects (receivedAt);
CREATE TABLE cursors (consumer TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO cursors VALUES ('', 0);
CREATE TABLE store (id TEXT NOT NULL) STRICT;
INSERT INTO store VALUES (lower(hex(randomblob(8))));
${SQLITE_POLL_TABLES}
${SQLITE_LEASE_TABLES}
PRAGMA user_version = ${VERSION};`;

/** What each version of the tables has added, by the version before. */
const UPGRADES: Readonly<Record<number, string>> = {
  1: `
ALTER TABLE events ADD COLUMN messages TEXT;
CREATE TABLE store (id TEXT NOT NULL) STRICT;
INSERT INTO store VALUES (lower(hex(randomblob(8))));
PRAGMA user_version = 2;`,
  2: `${SQLITE_POLL_TABLES}
${SQLITE_LEASE_TABLES}
PRAGMA user_version = 3;`,
};

/** The consumer whose cursor is the last sequence that was used. Not the highest that is stored: old events are forgotten. */
const LAST = '';

/** The consumer whose cursor is the highest sequence that has been forgotten. */
const FORGOTTEN = ' forgotten';

/** Time to wait for another process that writes, in milliseconds. */
const BUSY_MS = 3_000;

/** The part of this time that SQLite waits itself, in milliseconds. It blocks the process, and thus all clients. */
const BLOCKING_MS = 5;

/** Interval at which a write is tried again, in milliseconds. */
const RETRY_MS = 25;

/** SQLite's code for a database that another connection has locked. Source: https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/** The mode of a new file: payloads may have personal data. */
const FILE_MODE = 0o600;

/** Rows that are deleted in one transaction, which blocks the process. */
const PRUNE_BATCH = 5_000;

const EFFECT_COLUMNS =
  'provider, id, type, object, version, receivedAt, position, sequence, "order", changes, messages';

/**
 * Opens the inbox in an SQLite file, or in memory with `:memory:`. Processes of one machine may share a file. Throws ConfigError if the
 * file cannot be used.
 *
 * Committed events survive a crash of the process or of the machine: each transaction is flushed to the disk.
 */
export const openSqliteStore = (file: string, variable = 'EVENTS_FILE'): EventStore => {
  const database = open(file, variable);
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const statement = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  const all = <Row>(sql: string, ...values: (string | number | null)[]): Row[] => prepare(sql).all(...values) as Row[];
  const run = (sql: string, ...values: (string | number | null)[]): number =>
    Number(prepare(sql).run(...values).changes);

  const inTransaction = <Result>(work: () => Result): Result => {
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk has rolled it back already.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };

  /** Runs work in a transaction. Waits while another process writes. The work may run again. */
  const write = async <Result>(work: () => Result): Promise<Result> => {
    for (const giveUpAt = performance.now() + BUSY_MS; ; await pause(RETRY_MS)) {
      try {
        return inTransaction(work);
      } catch (error) {
        if (!isBusy(error) || performance.now() >= giveUpAt) throw error;
      }
    }
  };

  const cursorOf = (consumer: string): number | undefined =>
    all<{ sequence: number }>('SELECT sequence FROM cursors WHERE consumer = ?', consumer)[0]?.sequence;

  const setCursor = (consumer: string, sequence: number): void => {
    run(
      'INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)',
      consumer,
      sequence,
    );
  };

  const insertEvent = ({ provider, id, digest, type, object, version, receivedAt, payload }: NewEvent): boolean =>
    run(
      `INSERT INTO events (provider, id, digest, type, object, version, receivedAt, payload)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      ...[provider, id, digest, type, object, version, receivedAt, payload],
    ) > 0;

  const leases = createSqliteLeases({ run, write });

  return {
    ...leases,
    polls: createSqlitePolls({ all, run, write, insertEvent, leases }),
    insert: (events) => write(() => events.map(insertEvent)),
    apply: async ({ providers, limit }, decide) => {
      // Without a lock, as usually nothing waits.
      const own = `state = 'waiting' AND provider IN (${providers.map(() => '?').join()})`;
      if (all(`SELECT 1 FROM events WHERE ${own} LIMIT 1`, ...providers).length === 0) return { events: 0, parked: [] };
      return write(() => {
        const events = all<StoredEvent>(
          `SELECT * FROM events WHERE ${own} ORDER BY position LIMIT ?`,
          ...providers,
          limit,
        ).sort(byVersion);
        const parked: StoredEvent[] = [];
        let last = cursorOf(LAST) ?? 0;
        for (const event of events) {
          const { provider, object, version, receivedAt, position } = event;
          const decision = decide(event);
          if ('problem' in decision) {
            run(`UPDATE events SET state = 'parked', problem = ? WHERE position = ?`, decision.problem, position);
            parked.push(event);
            continue;
          }
          let newest: number | undefined;
          if (object !== null && version !== null) {
            newest = all<{ version: number }>(
              'SELECT version FROM objects WHERE provider = ? AND object = ?',
              provider,
              object,
            )[0]?.version;
            run(
              `INSERT INTO objects VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET version = max(version, excluded.version), receivedAt = excluded.receivedAt`,
              ...[provider, object, version, receivedAt],
            );
          }
          last += 1;
          run(
            `UPDATE events
             SET state = 'applied', sequence = ?, "order" = ?, changes = ?, messages = ?, payload = NULL, problem = NULL
             WHERE position = ?`,
            ...[last, object === null ? 'unknown' : orderOf(version, newest)],
            ...[decision.changes, decision.messages, position],
          );
        }
        setCursor(LAST, last);
        return { events: events.length, parked };
      });
    },
    effectsAfter: async (sequence, limit) =>
      all<Effect>(`SELECT ${EFFECT_COLUMNS} FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?`, sequence, limit),
    effectRange: async () => ({
      storeId: all<{ id: string }>('SELECT id FROM store')[0]?.id ?? '',
      last: cursorOf(LAST) ?? 0,
      forgotten: cursorOf(FORGOTTEN) ?? 0,
    }),
    readCursor: async (consumer) => cursorOf(consumer),
    writeCursor: (consumer, sequence) => write(() => setCursor(consumer, sequence)),
    list: async ({ states, limit }) =>
      all<ListedEvent>(
        `SELECT position, provider, id, type, object, receivedAt, state, problem FROM events
         WHERE state IN (${states.map(() => '?').join()}) ORDER BY position DESC LIMIT ?`,
        ...states,
        limit,
      ),
    replay: (positions) => {
      const update = `UPDATE events SET state = 'waiting' WHERE state = 'parked'`;
      return write(() =>
        positions === 'all'
          ? run(update)
          : positions.reduce((sum, position) => sum + run(`${update} AND position = ?`, position), 0),
      );
    },
    prune: (before) =>
      write(() => {
        run(
          `DELETE FROM objects WHERE (provider, object) IN
             (SELECT provider, object FROM objects WHERE receivedAt < ? LIMIT ?)`,
          before,
          PRUNE_BATCH,
        );
        const deleted = all<{ sequence: number | null }>(
          `DELETE FROM events WHERE position IN
             (SELECT position FROM events WHERE state != 'waiting' AND receivedAt < ? LIMIT ?) RETURNING sequence`,
          before,
          PRUNE_BATCH,
        );
        if (deleted.length > 0)
          setCursor(
            FORGOTTEN,
            deleted.reduce((most, { sequence }) => Math.max(most, sequence ?? 0), 0),
          );
        return deleted.length;
      }),
    state: async () => {
      const [counts] = all<{ waiting: number; parked: number; oldest: number | null }>(
        `SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'parked') AS parked,
                min(receivedAt) FILTER (WHERE state = 'waiting') AS oldest
         FROM events WHERE state != 'applied'`,
      );
      const [size] = all<{ bytes: number }>(
        `SELECT (page_count - freelist_count) * page_size AS bytes
         FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`,
      );
      return {
        waiting: counts?.waiting ?? 0,
        parked: counts?.parked ?? 0,
        oldestWaitingAt: counts?.oldest ?? null,
        bytes: size?.bytes ?? 0,
      };
    },
    close: async () => database.close(),
  };
};

/** Whether another connection has locked the database. The code may have a detail in its higher bits. */
const isBusy = (error: unknown): boolean =>
  ((error as { readonly errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY;

const open = (file: string, variable: string): DatabaseSync => {
  let database: DatabaseSync | undefined;
  try {
    if (file !== IN_MEMORY) {
      mkdirSync(dirname(file), { recursive: true });
      // SQLite gives its further files the same mode.
      closeSync(openSync(file, 'a', FILE_MODE));
    }
    database = new DatabaseSync(file, { timeout: BUSY_MS });
    // Readers and a writer do not wait for each other. FULL flushes every commit.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
    const [row] = database.prepare('PRAGMA user_version').all() as { user_version: number }[];
    const version = row?.user_version ?? 0;
    if (version > VERSION) throw new Error(`it was written by a newer version of Tributary (tables ${version})`);
    if (version === 0) database.exec(TABLES);
    else for (let next = version; next < VERSION; next++) database.exec(UPGRADES[next] ?? '');
    database.exec(`COMMIT; PRAGMA busy_timeout = ${BLOCKING_MS}`);
    return database;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw new ConfigError(
      `${variable}: ${file} cannot be used: ${reasonOf(error)}. Name a file in a folder that can be written and outlives the ` +
        'process, or set EVENTS_URL.',
      { cause: error },
    );
  }
};

const reasonOf = (error: unknown): string => {
  const { code, errstr, message } = error as NodeJS.ErrnoException & { readonly errstr?: string };
  return errstr ?? (code?.startsWith('E') && code !== 'ERR_SQLITE_ERROR' ? code : message);
};
