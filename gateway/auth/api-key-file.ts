import { readFileSync } from 'node:fs';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { monotonicNow } from '../../runtime/clock.ts';
import { ConfigError } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { type ApiKey, type ApiKeyReader, ApiKeyRecord, type ApiKeyRegistry, toApiKey } from './api-key.ts';

/*
 * API keys in a JSON file. It is replaced atomically, so that no reader sees a part of it.
 */

const ApiKeyFile = z.object({ keys: z.array(ApiKeyRecord) });

const parse = (text: string): readonly ApiKeyRecord[] => ApiKeyFile.parse(JSON.parse(text)).keys;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Throws ConfigError if there is a file that cannot be used. It may be created later. */
export const checkApiKeyFile = (path: string): void => {
  try {
    parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (!isMissing(cause)) throw new ConfigError('API_KEYS_FILE: must be a file of `npm run keys`', { cause });
  }
};

/** Time for which the file is not looked at again, in milliseconds. */
const CHECK_EVERY_MS = 500;

/** Reads API keys from a file that may change. While its content cannot be used, the keys before stay. */
export const createApiKeyFileReader = (path: string, log: Log): ApiKeyReader => {
  let keys: ReadonlyMap<string, ApiKey> = new Map();
  let version: string | undefined;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;

  const load = async (): Promise<void> => {
    const next = await versionOf(path);
    if (next === version) return;
    version = next;
    try {
      if (next === NO_FILE) log.warn({ file: path }, 'There is no file with API keys.');
      const records = next === NO_FILE ? [] : parse(await readFile(path, 'utf8'));
      keys = new Map(records.map((record) => [record.id, toApiKey(record)]));
    } catch (error) {
      log.error(
        { file: path, why: (error as Error).name },
        'The file with API keys cannot be used; those before stay.',
      );
    }
  };

  // When a request needs it, not by a timer: a busy process would run a timer late.
  const check = (): Promise<void> => {
    running ??= (async () => {
      const startedAt = monotonicNow();
      await load();
      checkedAt = startedAt;
      running = undefined;
    })();
    return running;
  };

  return {
    find: async (id) => {
      if (monotonicNow() - checkedAt > CHECK_EVERY_MS) await check();
      return keys.get(id);
    },
  };
};

const NO_FILE = 'none';

/** Returns a text that differs whenever the file has been replaced. */
const versionOf = async (path: string): Promise<string> => {
  try {
    const found = await stat(path, { bigint: true });
    // A pipe would be waited for.
    if (!found.isFile()) return NO_FILE;
    const { ino, size, mtimeNs, ctimeNs } = found;
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return isMissing(error) ? NO_FILE : String((error as NodeJS.ErrnoException).code);
  }
};

/** The keys in a file are being changed by another command, or one was interrupted. */
export class ApiKeyFileLockedError extends Error {}

/** Creates and revokes API keys in a file, which is created with the first key. Only its owner may read it. */
export const createApiKeyFileRegistry = (path: string): ApiKeyRegistry => {
  const list = async (): Promise<readonly ApiKeyRecord[]> => {
    try {
      return parse(await readFile(path, 'utf8'));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  };

  /** Replaces the records by those that `change` returns, unless it returns as many. */
  const replace = async (change: (records: readonly ApiKeyRecord[]) => readonly ApiKeyRecord[]): Promise<boolean> => {
    const next = `${path}.next`;
    // The new file is the lock, too: of two commands at once, one would undo what the other has done.
    const file = await open(next, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST'
        ? new ApiKeyFileLockedError(`Another command is changing the keys. If not, remove ${next}.`)
        : error;
    });
    let isReplaced = false;
    try {
      const before = await list();
      const records = change(before);
      if (records.length === before.length) return false;
      await file.writeFile(`${JSON.stringify({ keys: records }, null, 2)}\n`);
      await file.sync();
      await rename(next, path);
      isReplaced = true;
    } finally {
      await file.close();
      if (!isReplaced) await rm(next);
    }
    return isReplaced;
  };

  return {
    list,
    add: (record) =>
      replace((records) => (records.some(({ name }) => name === record.name) ? records : [...records, record])),
    remove: (wanted) => replace((records) => records.filter(({ name }) => name !== wanted)),
  };
};
