import { once } from 'node:events';
import { join, relative } from 'node:path';
import { watch } from 'chokidar';
import { ConfigError } from '../../runtime/env.ts';

const WATCHED = ['subgraphs', 'clients', 'gateway', 'runtime', 'connectors', 'events', 'sandbox', 'scripts'];
const FILES = ['supergraph.yaml', 'codegen.ts'];

/** Generated files. */
const IGNORED = /(^|\/)(generated(\.ts)?|dist|node_modules)(\/|$)|^gateway\/[^/]+\.graphql$/;

/** Source files by extension, without editors' temporary files such as `.#a.ts` or `a.ts.tmp`. */
const SOURCE = /(^|\/)[^./#][^/]*\.(ts|tsx|mjs|graphql|yaml|json|css|html)$/;

// Debounce: editors write a file in several steps, and "save all" several files. Longer than the 100 ms that chokidar
// waits for a deleted file to be replaced.
const DEBOUNCE_MS = 150;

const unwatchable = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
  const remedy = /ENOSPC|EMFILE/.test(code) ? ' Raise fs.inotify.max_user_watches and max_user_instances.' : '';
  return `Cannot watch files for changes${code}.${remedy}`;
};

/**
 * Calls `onChange` with the paths of changed files relative to `root`, never concurrently. Also detects files that an editor
 * replaces by renaming, which Node's recursive watch on Linux does not.
 */
export const watchFiles = async (root: string, onChange: (files: readonly string[]) => Promise<void>) => {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  const schedule = (file: string): void => {
    changed.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const files = [...changed].sort();
      changed.clear();
      running = running.then(() => onChange(files));
    }, DEBOUNCE_MS);
  };

  const watcher = watch(
    [...WATCHED, ...FILES].map((name) => join(root, name)),
    { ignoreInitial: true, ignored: (path) => IGNORED.test(relative(root, path)) },
  );
  watcher.on('all', (event, path) => {
    const file = relative(root, path);
    if (!event.endsWith('Dir') && SOURCE.test(file)) schedule(file);
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
