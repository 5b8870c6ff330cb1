import type { InboxStore } from './store.ts';

type SqliteAccess = {
  readonly run: (sql: string, ...values: (string | number | null)[]) => number;
  readonly write: <Result>(work: () => Result) => Promise<Result>;
};

/** Creates the leases in the database of an inbox. Their clock is this machine's, on which all of its processes run. */
export const createSqliteLeases = ({ run, write }: SqliteAccess): Pick<InboxStore, 'lease' | 'release'> => ({
  lease: (name, holder, ttlMs) =>
    write(() => {
      run('INSERT INTO leases (name) VALUES (?) ON CONFLICT DO NOTHING', name);
      const now = Date.now();
      // A lease that lasts for longer than any was taken before the clock was set back.
      return (
        run(
          `UPDATE leases SET holder = ?, leasedUntil = ?
           WHERE name = ? AND (holder IS NULL OR holder = ? OR leasedUntil NOT BETWEEN ? AND ?)`,
          ...[holder, now + ttlMs, name, holder, now, now + ttlMs],
        ) > 0
      );
    }),
  release: async (name, holder) => {
    await write(() => run('UPDATE leases SET holder = NULL WHERE name = ? AND holder = ?', name, holder));
  },
});
