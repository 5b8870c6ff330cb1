import type { Sql } from 'postgres';
import { POSTGRES_POLL_TABLES } from '../poller/poll-tables.ts';
import { POSTGRES_LEASE_TABLES } from './lease-tables.ts';
import { transact } from './postgres-transaction.ts';

/** A client whose positions and times are numbers. */
export type Client = Sql<{ int8: number }>;

/** The version of the tables. A newer one is refused. */
const VERSION = 3;

/** Names the lock under which tables are created and events are applied, in this database. */
export const LOCK = 0x7269_6221;

// A row keeps its id and its digest after it was applied: by these, a repeated delivery is recognized.
const TABLES = `
CREATE TABLE tributary_inbox (version int NOT NULL, id text NOT NULL DEFAULT left(md5(gen_random_uuid()::text), 16));
INSERT INTO tributary_inbox VALUES (${VERSION});
CREATE TABLE tributary_events (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider text NOT NULL, id text NOT NULL, digest text NOT NULL, type text NOT NULL, object text, version float8,
  "receivedAt" bigint NOT NULL, payload text, state text NOT NULL DEFAULT 'waiting', problem text,
  sequence bigint UNIQUE, "order" text, changes text, messages text,
  UNIQUE (provider, id), UNIQUE (provider, digest)
);
CREATE INDEX ON tributary_events (state, position) WHERE state != 'applied';
CREATE INDEX ON tributary_events ("receivedAt") WHERE state != 'waiting';
CREATE TABLE tributary_objects (
  provider text NOT NULL, object text NOT NULL, version float8 NOT NULL, "receivedAt" bigint NOT NULL,
  PRIMARY KEY (provider, object)
);
CREATE INDEX ON tributary_objects ("receivedAt");
CREATE TABLE tributary_cursors (consumer text PRIMARY KEY, sequence bigint NOT NULL);
INSERT INTO tributary_cursors VALUES ('', 0);
${POSTGRES_POLL_TABLES}
${POSTGRES_LEASE_TABLES}`;

/** What each version of the tables has added, by the version before. */
const UPGRADES: Readonly<Record<number, string>> = {
  1: `
ALTER TABLE tributary_events ADD COLUMN messages text;
ALTER TABLE tributary_inbox ADD COLUMN id text NOT NULL DEFAULT left(md5(gen_random_uuid()::text), 16);
UPDATE tributary_inbox SET version = 2;`,
  2: `${POSTGRES_POLL_TABLES}
${POSTGRES_LEASE_TABLES}
UPDATE tributary_inbox SET version = 3;`,
};

/** Creates the tables, or upgrades those of an older version. Throws if a newer version has created them. */
export const createTables = (sql: Client): Promise<unknown> =>
  transact(sql, async (transaction) => {
    await transaction`SELECT pg_advisory_xact_lock(${LOCK})`;
    const [{ exists } = { exists: false }] = await transaction<{ exists: boolean }[]>`
      SELECT to_regclass('tributary_inbox') IS NOT NULL AS exists`;
    if (!exists) return void (await transaction.unsafe(TABLES));
    const [{ version } = { version: 0 }] = await transaction<
      { version: number }[]
    >`SELECT version FROM tributary_inbox`;
    if (version > VERSION) throw new Error(`it was written by a newer version of Tributary (tables ${version})`);
    for (let next = version; next < VERSION; next++) await transaction.unsafe(UPGRADES[next] ?? '');
  });
