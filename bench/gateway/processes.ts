import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/* Starts processes on one core each. CPU time and memory of processes, from /proc (Linux). */

export const ROOT = join(import.meta.dirname, '../..');
export const NODE = process.execPath;

// The unit of CPU time in /proc, whatever the kernel's own tick: sysconf(_SC_CLK_TCK).
const TICK_MS = 10;

/** Starts a command on one core. */
export const startOn = (
  core: number,
  command: readonly string[],
  options: { cwd: string; env: object },
): ChildProcess => {
  const child = spawn('taskset', ['-c', String(core), ...command], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'ignore', process.env['BENCH_VERBOSE'] ? 'inherit' : 'ignore'],
  });
  running.add(child);
  // Otherwise another process on its port would be measured instead.
  child.once('exit', (code, signal) => {
    if (!running.has(child)) return;
    const log = 'Set BENCH_VERBOSE=1 to see its log.';
    console.error(`Exited unexpectedly with ${signal ?? `code ${code}`}: ${command.join(' ')}\n${log}`);
    process.exit(1);
  });
  return child;
};

const running = new Set<ChildProcess>();
const stopAll = (): void => {
  for (const child of running) stop(child);
};
process.once('exit', stopAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** Kills a process and its descendants. */
export const stop = (child: ChildProcess): void => {
  running.delete(child);
  for (const pid of treeOf(child.pid ?? -1)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has already exited.
    }
  }
};

/** Lets a process end, so that it can write its profile. */
export const terminate = (child: ChildProcess): void => {
  running.delete(child);
  child.kill('SIGTERM');
};

/** Returns the CPU time used by a process and its descendants, in milliseconds. */
export const cpuMs = (pid: number): number =>
  treeOf(pid).reduce((sum, one) => {
    const fields = statOf(one);
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }, 0);

/** Returns the CPU time used by the threads of a process, in microseconds: finer than `cpuMs`. */
export const cpuUs = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) => sum + Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] ?? 0) / 1_000,
    0,
  );

/** Returns the resident memory of a process and its descendants, in MiB. */
export const memoryMib = (pid: number): number =>
  treeOf(pid).reduce(
    (sum, one) => sum + Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${one}/status`))?.[1] ?? 0) / 1024,
    0,
  );

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Returns the fields of /proc/<pid>/stat after the process name, which may contain anything. */
const statOf = (pid: number): string[] => read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];

const treeOf = (pid: number): number[] => {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name)) parents.set(Number(name), Number(statOf(Number(name))[1]));
  const tree = [pid];
  for (const one of tree) for (const [child, parent] of parents) if (parent === one) tree.push(child);
  return tree;
};
