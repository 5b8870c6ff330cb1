import { once } from 'node:events';
import { join, relative } from 'node:path';
import { watch } from 'chokidar';
import { ConfigError } from '../../runtime/env.ts';

const WATCHED = ['subgraphs', 'clients', 'gateway', 'runtime', 'connectors', 'sandbox', 'scripts'];
const FILES = ['supergraph.yaml', 'codegen.ts'];

/** What is made of the rest. */
const IGNORED = /(^|\/)(generated(\.ts)?|dist|node_modules)(\/|$)|^gateway\/[^/]+\.graphql$/;

/** The kinds of files there are, under a name of their own: not what editors keep beside them, such as `.#a.ts` or `a.ts.tmp`. */
const SOURCE = /(^|\/)[^./#][^/]*\.(ts|tsx|mjs|graphql|yaml|json|css|html)$/;

// An editor writes a file in several steps, and "save all" several files. Longer than the 100 ms for which chokidar
// waits whether a file that is gone is replaced.
const QUIET_MS = 150;

const unwatchable = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
  const remedy = /ENOSPC|EMFILE/.test(code) ? ' Raise fs.inotify.max_user_watches and max_user_instances.' : '';
  return `Changes of files cannot be noticed${code}.${remedy}`;
};

/**
 * Calls `take` with the files that have changed, by their paths in `root`, one call after the other. Files that an editor
 * replaces by others of their name are noticed too, which Node's own recursive watching on Linux does not.
 */
export const watchFiles = async (root: string, take: (files: readonly string[]) => Promise<void>) => {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  const note = (file: string): void => {
    changed.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const files = [...changed].sort();
      changed.clear();
      running = running.then(() => take(files));
    }, QUIET_MS);
  };

  const watcher = watch(
    [...WATCHED, ...FILES].map((name) => join(root, name)),
    { ignoreInitial: true, ignored: (path) => IGNORED.test(relative(root, path)) },
  );
  watcher.on('all', (event, path) => {
    const file = relative(root, path);
    if (!event.endsWith('Dir') && SOURCE.test(file)) note(file);
  });
  watcher.on('error', (error) => console.error(unwatchable(error)));
  try {
    await once(watcher, 'ready');
  } catch (error) {
    await watcher.close();
    throw new ConfigError(unwatchable(error), { cause: error });
  }
  return {
    close: async (): Promise<void> => {
      clearTimeout(timer);
      await watcher.close();
      await running;
    },
  };
};
