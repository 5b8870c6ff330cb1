import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

export type Spawned = {
  readonly process: ChildProcess;
  /** Returns the output so far, stdout and stderr. */
  readonly output: () => string;
  /** Resolves to the exit code; null if a signal ended the process. */
  readonly ended: Promise<number | null>;
  readonly stop: () => Promise<void>;
};

/** Starts a process with this environment and the test's PATH, in the project's root or another folder, as this or another user. */
export const startProcess = (
  command: readonly string[],
  env: Record<string, string>,
  cwd = ROOT,
  user: { readonly uid?: number; readonly gid?: number } = {},
): Spawned => {
  const [program = '', ...args] = command;
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    ...user,
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      // Ignores a developer's own `.env`.
      ENV_FILE: '/dev/null',
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
  });
  return {
    process: child,
    output: () => output,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
};

const isFree = (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1');
  return new Promise((resolve) => {
    server.once('listening', () => server.close(() => resolve(true)));
    server.once('error', () => resolve(false));
  });
};

/**
 * Returns a free port for programs that do not support port 0, or that listen later; with `count`, the first of that many. It is
 * below the range from which systems assign ports (32768 on Linux, 49152 elsewhere), so nothing that listens on port 0 or
 * connects can take it in the meantime.
 */
export const freePort = async (count = 1): Promise<number> => {
  for (;;) {
    const first = randomInt(10_000, 32_000);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
};
