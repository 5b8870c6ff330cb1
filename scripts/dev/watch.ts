import { watch } from 'node:fs';
import { join } from 'node:path';

const WATCHED = ['subgraphs', 'clients', 'gateway', 'runtime', 'connectors', 'sandbox', 'scripts'];
const FILES = ['supergraph.yaml', 'codegen.ts'];

/** What is made of the rest. */
const IGNORED = /(^|\/)(generated(\.ts)?|dist|node_modules)(\/|$)|^gateway\/[^/]+\.graphql$|~$|\.sw.$/;

// An editor writes a file in several steps, and "save all" several files.
const QUIET_MS = 60;

/** Calls `take` with the files that have changed, by their paths in `root`, one call after the other. */
export const watchFiles = (root: string, take: (files: readonly string[]) => Promise<void>) => {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  const note = (file: string): void => {
    if (IGNORED.test(file)) return;
    changed.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const files = [...changed].sort();
      changed.clear();
      running = running.then(() => take(files));
    }, QUIET_MS);
  };

  const watchers = WATCHED.map((folder) =>
    watch(join(root, folder), { recursive: true }, (_event, name) => name && note(join(folder, name))),
  );
  // A file that is written anew under its name is another file, so its folder is watched.
  watchers.push(watch(root, (_event, name) => name && FILES.includes(name) && note(name)));
  return {
    close: async (): Promise<void> => {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
      await running;
    },
  };
};
