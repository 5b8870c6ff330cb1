import type { Client } from './postgres-tables.ts';
import type { InboxStore } from './store.ts';

type Run = <Result>(work: (current: Client) => Promise<Result>) => Promise<Result>;

/** Creates the leases in the database of an inbox. Their clock is the database's, so that replicas' clocks need not agree. */
export const createPostgresLeases = (run: Run): Pick<InboxStore, 'lease' | 'release'> => ({
  lease: (name, holder, ttlMs) =>
    run(async (current) => {
      await current`INSERT INTO tributary_leases (name) VALUES (${name}) ON CONFLICT DO NOTHING`;
      const now = current`(extract(epoch FROM clock_timestamp()) * 1000)::int8`;
      // A lease that lasts for longer than any was taken before the clock was set back.
      const { count } = await current`
        UPDATE tributary_leases SET holder = ${holder}, "leasedUntil" = ${now} + ${ttlMs}
        WHERE name = ${name} AND (
          holder IS NULL OR holder = ${holder} OR "leasedUntil" NOT BETWEEN ${now} AND ${now} + ${ttlMs}
        )`;
      return count > 0;
    }),
  release: (name, holder) =>
    run(async (current) => {
      await current`UPDATE tributary_leases SET holder = NULL WHERE name = ${name} AND holder = ${holder}`;
    }),
});
