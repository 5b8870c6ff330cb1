/** The table of leases in SQLite. */
export const SQLITE_LEASE_TABLES = `
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT, leasedUntil INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;`;

/** The table of leases in Postgres. */
export const POSTGRES_LEASE_TABLES = `
CREATE TABLE tributary_leases (name text PRIMARY KEY, holder text, "leasedUntil" bigint NOT NULL DEFAULT 0);`;
