import type { Client } from '../inbox/postgres-tables.ts';
import { transact } from '../inbox/postgres-transaction.ts';
import type { InboxStore, NewEvent } from '../inbox/store.ts';
import { leaseOf, observe, type PollStore, shareDue, type WatchedKey } from './poll-store.ts';

type Run = <Result>(work: (current: Client) => Promise<Result>) => Promise<Result>;

/** Creates the store of pollers in the database of an inbox. Its clock is the database's, so that replicas' clocks need not agree. */
export const createPostgresPolls = (
  run: Run,
  insertEvents: (sql: Client, events: readonly NewEvent[]) => Promise<unknown>,
  leases: Pick<InboxStore, 'lease' | 'release'>,
): PollStore => ({
  lease: (poller, holder, ttlMs) => leases.lease(leaseOf(poller), holder, ttlMs),
  release: (poller, holder) => leases.release(leaseOf(poller), holder),
  compare: (poller, observations, { wantedMs, maxWatched, holder, toEvent }) =>
    run((current) =>
      transact(current, async (transaction) => {
        const sql = transaction as unknown as Client;
        if (holder !== undefined) {
          // Nobody else takes the lease before the comparison is committed.
          const [lease] = await sql<{ holder: string | null }[]>`
            SELECT holder FROM tributary_leases WHERE name = ${leaseOf(poller)} FOR SHARE`;
          if (lease?.holder !== holder) return 0;
        }
        await add(sql, poller);
        // Comparisons of one poller take turns.
        const [state] = await sql<{ revision: number; now: number }[]>`
          SELECT revision, ${nowOf(sql)} AS now FROM tributary_pollers WHERE name = ${poller} FOR UPDATE`;
        const now = state?.now ?? Date.now();
        let revision = state?.revision ?? 0;
        const rows = await sql<(WatchedKey & { key: string })[]>`
          SELECT key, value, "comparedAt", "wantedUntil" FROM tributary_watched
          WHERE poller = ${poller} AND key = ANY(${observations.map(({ key }) => key)}::text[])`;
        const known = new Map(rows.map((row) => [row.key, row]));
        let room: number | undefined;
        const next = new Map<string, WatchedKey>();
        const events: NewEvent[] = [];
        for (const observation of observations) {
          const { key } = observation;
          const before = next.get(key) ?? known.get(key);
          const after = observe(before, observation, { now, wantedMs });
          if (!after) continue;
          if (!before) {
            room ??= maxWatched - (await countOf(sql, poller));
            if (room <= 0) continue;
            room -= 1;
          }
          next.set(key, after);
          if (!after.isChanged) continue;
          revision += 1;
          events.push(toEvent(key, revision));
        }
        const values = [...next.values()];
        await sql`
          INSERT INTO tributary_watched
          SELECT ${poller}, * FROM unnest(
            ${[...next.keys()]}::text[], ${values.map(({ value }) => value)}::text[],
            ${values.map(({ comparedAt }) => comparedAt)}::int8[], ${values.map(({ wantedUntil }) => wantedUntil)}::int8[]
          )
          ON CONFLICT (poller, key) DO UPDATE
          SET value = excluded.value, "comparedAt" = excluded."comparedAt", "wantedUntil" = excluded."wantedUntil"`;
        if (events.length > 0) {
          await sql`UPDATE tributary_pollers SET revision = ${revision} WHERE name = ${poller}`;
          await insertEvents(sql, events);
        }
        return events.length;
      }),
    ),
  due: (poller, { ageMs, limit }) =>
    run(async (current) => {
      const now = nowOf(current);
      const keys = async (isRead: ReturnType<typeof nowOf>): Promise<string[]> => {
        // Those of the future were read before the clock was set back.
        const rows = await current<{ key: string }[]>`
          SELECT key FROM tributary_watched
          WHERE poller = ${poller} AND ${isRead} AND "comparedAt" NOT BETWEEN ${now} - ${ageMs - 1} AND ${now}
          ORDER BY "comparedAt" LIMIT ${limit}`;
        return rows.map(({ key }) => key);
      };
      const known = await keys(current`value IS NOT NULL`);
      return shareDue(known, await keys(current`value IS NULL`), limit);
    }),
  forget: (poller) =>
    run(async (current) => {
      await current`DELETE FROM tributary_watched WHERE poller = ${poller} AND "wantedUntil" < ${nowOf(current)}`;
    }),
  watchState: (poller) =>
    run(async (current) => {
      const [row] = await current<{ watched: number; oldestAt: number | null; now: number }[]>`
        SELECT count(*) AS watched, min("comparedAt") FILTER (WHERE "comparedAt" > 0) AS "oldestAt", ${nowOf(current)} AS now
        FROM tributary_watched WHERE poller = ${poller}`;
      return row ?? { watched: 0, oldestAt: null, now: 0 };
    }),
  wantAll: (poller, wantedMs) =>
    run(async (current) => {
      await add(current, poller);
      await current`
        UPDATE tributary_pollers SET "allUntil" = ${nowOf(current)} + ${wantedMs} WHERE name = ${poller}`;
    }),
  nextPage: (poller, everyMs) =>
    run(async (current) => {
      const now = nowOf(current);
      const [row] = await current<{ page: string | null }[]>`
        SELECT page FROM tributary_pollers
        WHERE name = ${poller} AND "allUntil" > ${now}
          AND (page IS NOT NULL OR "listedAt" NOT BETWEEN ${now} - ${everyMs - 1} AND ${now})`;
      return row?.page;
    }),
  turnPage: (poller, page) =>
    run(async (current) => {
      const listedAt = page === null ? nowOf(current) : current`0`;
      await current`UPDATE tributary_pollers SET page = ${page}, "listedAt" = ${listedAt} WHERE name = ${poller}`;
    }),
});

/** The database's time in milliseconds since 1970. */
const nowOf = (sql: Client) => sql`(extract(epoch FROM clock_timestamp()) * 1000)::int8`;

const add = async (sql: Client, poller: string): Promise<void> => {
  await sql`INSERT INTO tributary_pollers (name) VALUES (${poller}) ON CONFLICT DO NOTHING`;
};

const countOf = async (sql: Client, poller: string): Promise<number> => {
  const [row] = await sql<
    { count: number }[]
  >`SELECT count(*) AS count FROM tributary_watched WHERE poller = ${poller}`;
  return row?.count ?? 0;
};
