import type { InboxStore, NewEvent } from '../inbox/store.ts';
import { leaseOf, observe, type PollStore, shareDue, type WatchedKey } from './poll-store.ts';

type SqliteAccess = {
  readonly all: <Row>(sql: string, ...values: (string | number | null)[]) => Row[];
  readonly run: (sql: string, ...values: (string | number | null)[]) => number;
  readonly write: <Result>(work: () => Result) => Promise<Result>;
  readonly insertEvent: (event: NewEvent) => boolean;
  readonly leases: Pick<InboxStore, 'lease' | 'release'>;
};

/** Creates the store of pollers in the database of an inbox. Its clock is this machine's, on which all of its processes run. */
export const createSqlitePolls = ({ all, run, write, insertEvent, leases }: SqliteAccess): PollStore => {
  const add = (poller: string) => run('INSERT INTO pollers (name) VALUES (?) ON CONFLICT DO NOTHING', poller);

  return {
    lease: (poller, holder, ttlMs) => leases.lease(leaseOf(poller), holder, ttlMs),
    release: (poller, holder) => leases.release(leaseOf(poller), holder),
    compare: (poller, observations, { wantedMs, maxWatched, holder, toEvent }) =>
      write(() => {
        add(poller);
        const [lease] = all<{ holder: string | null }>('SELECT holder FROM leases WHERE name = ?', leaseOf(poller));
        if (holder !== undefined && lease?.holder !== holder) return 0;
        const now = Date.now();
        let changed = 0;
        let watched: number | undefined;
        for (const observation of observations) {
          const { key } = observation;
          const [known] = all<WatchedKey>(
            'SELECT value, comparedAt, wantedUntil FROM watched WHERE poller = ? AND key = ?',
            ...[poller, key],
          );
          const next = observe(known, observation, { now, wantedMs });
          if (!next) continue;
          if (!known) {
            watched ??= countOf(all, poller);
            if (watched >= maxWatched) continue;
            watched += 1;
          }
          run(
            `INSERT INTO watched VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
             SET value = excluded.value, comparedAt = excluded.comparedAt, wantedUntil = excluded.wantedUntil`,
            ...[poller, key, next.value, next.comparedAt, next.wantedUntil],
          );
          if (!next.isChanged) continue;
          const [row] = all<{ revision: number }>(
            'UPDATE pollers SET revision = revision + 1 WHERE name = ? RETURNING revision',
            poller,
          );
          insertEvent(toEvent(key, row?.revision ?? 0));
          changed += 1;
        }
        return changed;
      }),
    due: async (poller, { ageMs, limit }) => {
      const now = Date.now();
      const keys = (isRead: string): string[] =>
        // Those of the future were read before the clock was set back.
        all<{ key: string }>(
          `SELECT key FROM watched WHERE poller = ? AND ${isRead} AND comparedAt NOT BETWEEN ? AND ?
           ORDER BY comparedAt LIMIT ?`,
          ...[poller, now - ageMs + 1, now, limit],
        ).map(({ key }) => key);
      return shareDue(keys('value IS NOT NULL'), keys('value IS NULL'), limit);
    },
    forget: async (poller) => {
      const sql = 'FROM watched WHERE poller = ? AND wantedUntil < ?';
      const now = Date.now();
      if (all(`SELECT 1 ${sql} LIMIT 1`, poller, now).length === 0) return;
      await write(() => run(`DELETE ${sql}`, poller, now));
    },
    watchState: async (poller) => {
      const [row] = all<{ oldestAt: number | null }>(
        'SELECT min(comparedAt) AS oldestAt FROM watched WHERE poller = ? AND comparedAt > 0',
        poller,
      );
      return { watched: countOf(all, poller), oldestAt: row?.oldestAt ?? null, now: Date.now() };
    },
    wantAll: async (poller, wantedMs) => {
      await write(() => {
        add(poller);
        run('UPDATE pollers SET allUntil = ? WHERE name = ?', Date.now() + wantedMs, poller);
      });
    },
    nextPage: async (poller, everyMs) => {
      const now = Date.now();
      const [row] = all<{ page: string | null }>(
        `SELECT page FROM pollers
         WHERE name = ? AND allUntil > ? AND (page IS NOT NULL OR listedAt NOT BETWEEN ? AND ?)`,
        ...[poller, now, now - everyMs + 1, now],
      );
      return row?.page;
    },
    turnPage: async (poller, page) => {
      await write(() =>
        run('UPDATE pollers SET page = ?, listedAt = ? WHERE name = ?', page, page === null ? Date.now() : 0, poller),
      );
    },
  };
};

const countOf = (all: SqliteAccess['all'], poller: string): number =>
  all<{ count: number }>('SELECT count(*) AS count FROM watched WHERE poller = ?', poller)[0]?.count ?? 0;
