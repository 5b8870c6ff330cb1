import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/* What processes of this machine use, from /proc (Linux). */

// The kernel counts CPU time in these, whatever its own clock: sysconf(_SC_CLK_TCK).
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
  // Otherwise whatever else listens at its port would be measured for it.
  child.once('exit', () => {
    if (!running.has(child)) return;
    console.error(`It has ended by itself: ${command.join(' ')}`);
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

/** Ends a process and everything that it started. */
export const stop = (child: ChildProcess): void => {
  running.delete(child);
  for (const pid of treeOf(child.pid ?? -1)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
};

/** CPU time that a process and its descendants have used, in milliseconds. */
export const cpuMs = (pid: number): number =>
  treeOf(pid).reduce((sum, one) => {
    const fields = statOf(one);
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }, 0);

/** Memory that a process and its descendants hold, in MiB. */
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

/** The fields of /proc/<pid>/stat from the state on; the name before may hold anything. */
const statOf = (pid: number): string[] => read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];

const treeOf = (pid: number): number[] => {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name)) parents.set(Number(name), Number(statOf(Number(name))[1]));
  const tree = [pid];
  for (const one of tree) for (const [child, parent] of parents) if (parent === one) tree.push(child);
  return tree;
};
