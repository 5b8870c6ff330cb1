import { once } from 'node:events';
import { join, relative } from 'node:path';
import { watch } from 'chokidar';

const WATCHED = ['subgraphs', 'clients', 'gateway', 'runtime', 'connectors', 'sandbox', 'scripts'];
const FILES = ['supergraph.yaml', 'codegen.ts'];

/** What is made of the rest. */
const IGNORED = /(^|\/)(generated(\.ts)?|dist|node_modules)(\/|$)|^gateway\/[^/]+\.graphql$|~$|\.sw.$/;

// An editor writes a file in several steps, and "save all" several files.
const QUIET_MS = 60;

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
    if (!event.endsWith('Dir')) note(relative(root, path));
  });
  await once(watcher, 'ready');
  return {
    close: async (): Promise<void> => {
      clearTimeout(timer);
      await watcher.close();
      await running;
    },
  };
};
