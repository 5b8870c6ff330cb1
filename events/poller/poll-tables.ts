/** The tables of pollers in SQLite. */
export const SQLITE_POLL_TABLES = `
CREATE TABLE pollers (
  name TEXT PRIMARY KEY, revision INTEGER NOT NULL DEFAULT 0,
  allUntil INTEGER NOT NULL DEFAULT 0, page TEXT, listedAt INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE watched (
  poller TEXT NOT NULL, key TEXT NOT NULL, value TEXT, comparedAt INTEGER NOT NULL, wantedUntil INTEGER NOT NULL,
  PRIMARY KEY (poller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_keys ON watched (poller, comparedAt);`;

/** The tables of pollers in Postgres. */
export const POSTGRES_POLL_TABLES = `
CREATE TABLE tributary_pollers (
  name text PRIMARY KEY, revision bigint NOT NULL DEFAULT 0,
  "allUntil" bigint NOT NULL DEFAULT 0, page text, "listedAt" bigint NOT NULL DEFAULT 0
);
CREATE TABLE tributary_watched (
  poller text NOT NULL, key text NOT NULL, value text, "comparedAt" bigint NOT NULL, "wantedUntil" bigint NOT NULL,
  PRIMARY KEY (poller, key)
);
CREATE INDEX ON tributary_watched (poller, "comparedAt");`;
