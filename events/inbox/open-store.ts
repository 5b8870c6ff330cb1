import type { EventStore } from '../poller/poll-store.ts';
import { openSqliteStore } from './sqlite.ts';

/** The file of the inbox in the working folder, unless another one is configured. */
export const DEFAULT_FILE = 'data/events.sqlite';

/** Opens the store of the inbox: in Postgres with a URL, otherwise in a file. Throws ConfigError if it cannot be used. */
export const openStore = async ({
  file = DEFAULT_FILE,
  url,
}: {
  readonly file: string | undefined;
  readonly url: string | undefined;
}): Promise<EventStore> => {
  // Loaded only where it is used.
  if (url !== undefined) return (await import('./postgres.ts')).openPostgresStore(url);
  return openSqliteStore(file);
};
