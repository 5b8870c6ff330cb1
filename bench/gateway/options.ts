import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Candidate, type Peer, parsePeer } from './candidates.ts';
import { RUNS, type Run, WORKLOADS, type WorkloadName } from './names.ts';
import type { RunSettings } from './runs.ts';

/* The options of the command line. docs/performance.md has them for readers. */

const DEFINITIONS = {
  rounds: { type: 'string', default: '5' },
  // Of a round; half of it for growth.
  seconds: { type: 'string', default: '4' },
  connections: { type: 'string', default: '50,500' },
  // Percent of the gateway's core.
  loads: { type: 'string', default: '25,50,75,90' },
  // Response times of the subgraphs in milliseconds; several in one entry are used in turn.
  latencies: { type: 'string', default: '0;5;50;500;0,5,50,500' },
  workload: { type: 'string', default: 'heavy,product' },
  run: { type: 'string', default: Object.keys(RUNS).join(',') },
  // Parts of candidates' names, separated by semicolons.
  only: { type: 'string', default: '' },
  peer: { type: 'string', multiple: true, default: [] as string[] },
  // A checkout of an earlier version, with its packages installed, to compare with this one.
  baseline: { type: 'string' },
  json: { type: 'string' },
  // Writes docs/performance.json, and renews docs/performance.md and its pictures.
  docs: { type: 'boolean', default: false },
  // After so many minutes the benchmark gives up.
  limit: { type: 'string', default: '150' },
} as const;

export type Options = {
  readonly settings: RunSettings;
  readonly runs: readonly Run[];
  readonly workloads: readonly WorkloadName[];
  readonly isChosen: (candidate: Candidate) => boolean;
  readonly peers: readonly Peer[];
  readonly baseline: string | undefined;
  readonly json: string | undefined;
  readonly docs: boolean;
  readonly limitMinutes: number;
};

/** Splits an option, and throws unless all its entries are known. */
const choose = <T extends string>(option: string, text: string, known: object): readonly T[] => {
  const chosen = text.split(',');
  const wrong = chosen.find((name) => !Object.hasOwn(known, name));
  if (wrong !== undefined) throw new Error(`--${option} ${wrong}: use ${Object.keys(known).join(', ')}.`);
  return chosen as T[];
};

/** Reads positive numbers, or numbers from `least`. */
const numbers = (option: string, text: string, least = 1): readonly number[] =>
  text.split(',').map((word) => {
    const number = Number(word);
    if (word.trim() === '' || !(number >= least)) throw new Error(`--${option} ${text}: use numbers from ${least}.`);
    return number;
  });

const one = (option: string, text: string, least?: number): number => numbers(option, text, least)[0] as number;

/** Reads the options. Throws an Error that says what is wrong. */
export const readOptions = (words: readonly string[]): Options => {
  const { values } = parseArgs({ args: [...words], options: DEFINITIONS });
  const parts = values.only.split(';').map((part) => part.trim().toLowerCase());
  return {
    settings: {
      rounds: one('rounds', values.rounds),
      roundMs: one('seconds', values.seconds, 0.1) * 1_000,
      connections: numbers('connections', values.connections),
      loads: numbers('loads', values.loads),
      latencies: values.latencies.split(';').map((entry) => numbers('latencies', entry, 0)),
    },
    runs: choose('run', values.run, RUNS),
    workloads: choose('workload', values.workload, WORKLOADS),
    isChosen: ({ name }) => parts.some((part) => name.toLowerCase().includes(part)),
    peers: values.peer.map(parsePeer),
    baseline: values.baseline ? resolve(values.baseline) : undefined,
    json: values.json,
    docs: values.docs,
    limitMinutes: one('limit', values.limit),
  };
};
