import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, type Spawned, startProcess } from './processes.ts';

export type ProjectCopy = {
  readonly root: string;
  readonly read: (file: string) => string;
  readonly write: (file: string, text: string) => void;
  /** Replaces a text in a file. Throws if it is not found. */
  readonly change: (file: string, from: string, to: string) => void;
  readonly start: (command: readonly string[], env?: Record<string, string>) => Spawned;
  readonly remove: () => void;
};

/**
 * Copies the project's current files, for tests that change them. The packages are shared with the project; with `built`,
 * includes the built pages.
 */
export const copyProject = ({ built = false } = {}): ProjectCopy => {
  const root = mkdtempSync(join(tmpdir(), 'copy-'));
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);
  const deleted = new Set(git('ls-files', '-z', '--deleted'));
  for (const file of git('ls-files', '-z', '--cached', '--others', '--exclude-standard')) {
    if (deleted.has(file) || file === 'node_modules') continue;
    mkdirSync(dirname(join(root, file)), { recursive: true });
    cpSync(join(ROOT, file), join(root, file));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const page of built ? ['clients/explorer/dist', 'clients/web/dist'] : []) {
    cpSync(join(ROOT, page), join(root, page), { recursive: true });
  }
  const read = (file: string) => readFileSync(join(root, file), 'utf8');
  const write = (file: string, text: string) => writeFileSync(join(root, file), text);
  return {
    root,
    read,
    write,
    change: (file, from, to) => {
      const text = read(file);
      if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
      write(file, text.replace(from, to));
    },
    start: (command, env = {}) => startProcess(command, env, root),
    remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }),
  };
};
