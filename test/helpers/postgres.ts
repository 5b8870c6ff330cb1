import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { freePort, startProcess } from './processes.ts';
import { POSTGRES_BIN } from './tools.ts';

export type TestPostgres = {
  /** The URL of a new, empty database. */
  readonly createDatabase: () => Promise<string>;
  /** Stops all its processes at once, as a crash does. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The user `nobody`: Postgres refuses to run as root. */
const NOBODY = 65_534;

/** Starts a Postgres server of its own, in a temporary folder. */
export const startPostgres = async (): Promise<TestPostgres> => {
  const bin = POSTGRES_BIN ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const data = join(folder, 'data');
  const options = ['-U', 'tributary', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(bin, 'initdb'), ['-D', data, ...options], { ...user, stdio: 'ignore' });
  const port = await freePort();
  const urlOf = (database: string) => `postgres://tributary@127.0.0.1:${port}/${database}`;
  const command = [join(bin, 'postgres'), '-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder];
  let server: ReturnType<typeof startProcess> | undefined;

  const query = async (text: string): Promise<boolean> => {
    const sql = postgres(urlOf('postgres'), { max: 1, connect_timeout: 5 });
    try {
      await sql.unsafe(text);
      return true;
    } catch {
      return false;
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const start = async (): Promise<void> => {
    server = startProcess(command, {}, folder, user);
    while (!(await query('SELECT 1'))) {
      if (server.process.exitCode !== null) throw new Error(server.output());
      await pause(50);
    }
  };
  const stop = async (signal: 'SIGQUIT' | 'SIGINT'): Promise<void> => {
    server?.process.kill(signal);
    await server?.ended;
  };
  await start();
  let databases = 0;
  return {
    createDatabase: async () => {
      databases += 1;
      const name = `events_${databases}`;
      if (!(await query(`CREATE DATABASE ${name}`))) throw new Error('The database cannot be created.');
      return urlOf(name);
    },
    // An immediate shutdown: the next start recovers from the log, as after a crash.
    kill: () => stop('SIGQUIT'),
    start,
    close: async () => {
      await stop('SIGINT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
