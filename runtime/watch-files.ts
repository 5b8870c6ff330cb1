import { stat } from 'node:fs/promises';
import { ConfigError, type Env } from './env.ts';
import type { Log } from './log.ts';

/** Interval of the checks, in milliseconds. A change is used after two, so within a second. */
const CHECK_EVERY_MS = 300;

/**
 * Calls `reload` within a second after the file that one of these variables names has changed. It returns whether the values
 * are new. Where it throws ConfigError, the previous values stay in use, and the problem is logged once. Returns an
 * unsubscribe function. Does not keep the process alive.
 *
 * Polled: file events miss Kubernetes symlink swaps, and editors replace files.
 */
export const watchFiles = (
  variables: readonly string[],
  { env, ...options }: { readonly env: Env } & Pick<WatchOptions, 'log' | 'reload'>,
): (() => void) => {
  const files = variables.flatMap((name) => env[name] || []);
  if (files.length === 0) return () => {};
  return watchPaths(() => files, { ...options, variables: variables.filter((name) => env[name]) });
};

type WatchOptions = {
  readonly log: Log | undefined;
  /** The variables that name the files, for the log. */
  readonly variables: readonly string[];
  readonly reload: () => boolean | Promise<boolean>;
};

/** Does the same for files that may be others after each `reload`. */
export const watchPaths = (files: () => readonly string[], { log, variables, reload }: WatchOptions): (() => void) => {
  // Undefined at first: a file may have changed since it was read.
  let applied: string | undefined;
  let seen: string | undefined;
  let problem: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const apply = async (): Promise<void> => {
    try {
      if (await reload()) log?.info({ variables }, 'A changed file is in use.');
      problem = undefined;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (error.message === problem) return;
      problem = error.message;
      log?.error({ variables, why: problem }, 'A changed file cannot be used; what it had before stays in use.');
    }
  };

  const check = async (): Promise<void> => {
    const current = (await Promise.all(files().map(versionOf))).join();
    if (isStopped) return;
    // Seen twice: a file that is being written may be incomplete.
    const isComplete = current === seen;
    seen = current;
    try {
      if (current === applied || !isComplete) return;
      applied = current;
      await apply();
    } finally {
      if (!isStopped) schedule();
    }
  };
  const schedule = (): void => {
    timer = setTimeout(() => void check(), CHECK_EVERY_MS).unref();
  };
  schedule();

  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
};

/** Returns the variables that name files with secrets. */
export const fileVariables = (secrets: readonly string[]): string[] => secrets.map((name) => `${name}_FILE`);

/** Returns a text that differs for each version of a file, through symbolic links. */
const versionOf = (file: string): Promise<string> =>
  stat(file, { bigint: true }).then(
    ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(' '),
    () => 'missing',
  );
