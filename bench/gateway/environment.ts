import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { ROOT } from './processes.ts';
import type { Result } from './result.ts';

/* Where and how a benchmark was run. */

const commit = (): string =>
  execFileSync('git', ['rev-parse', '--short=10', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();

/** Quotes a word for the shell. */
const quote = (word: string): string => (/^[\w,./=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** Starts the clock. Returns a function that describes the run until then. */
export const startEnvironment = (words: readonly string[]) => {
  const startedAt = performance.now();
  const startedFrom = commit();
  const loadBefore = loadavg()[2] as number;
  return (): Pick<Result, 'date' | 'commit' | 'command' | 'machine' | 'minutes'> => ({
    date: new Date().toISOString(),
    commit: startedFrom,
    command: ['npm run bench:gateway --', ...words.map(quote)].join(' '),
    machine: {
      processor: cpus()[0]?.model ?? '',
      cores: cpus().length,
      memoryMib: Math.round(totalmem() / 2 ** 20),
      node: process.version,
      kernel: `Linux ${release()}`,
      loadBefore,
      loadAfter: loadavg()[2] as number,
    },
    minutes: (performance.now() - startedAt) / 60_000,
  });
};
