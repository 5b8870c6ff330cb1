import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/helpers/processes.ts';
import type { Candidate } from './candidates.ts';
import { runGrowth } from './curves.ts';
import { writeDocs } from './docs.ts';
import { startEnvironment } from './environment.ts';
import { assess } from './goals.ts';
import { EMBEDDED, LIMITED, RUNS, type Run, TRIBUTARY, WORKLOADS, type WorkloadName } from './names.ts';
import { type Options, readOptions } from './options.ts';
import { ROOT } from './processes.ts';
import { profileGateway } from './profile.ts';
import { formatGoals, formatProfile, formatRows } from './report.ts';
import { formatJson, type Profile, type Result, type Row } from './result.ts';
import {
  closeSession,
  openSession,
  runHalf,
  runLatency,
  runProvider,
  runSaturated,
  runStarts,
  type Session,
} from './runs.ts';
import { startWorkload, type Workload } from './workloads.ts';

/*
 * `npm run bench:gateway`: compares gateways. Each has the first core, with the load and the subgraphs on the second. Reports the
 * medians of alternating rounds, and how they compare with the goals. See docs/performance.md.
 */

const WORDS = process.argv.slice(2);

const readArguments = (): Options => {
  try {
    return readOptions(WORDS);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
};

const { runs, workloads, settings, ...options } = readArguments();

const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'));
process.once('exit', () => rmSync(folder, { recursive: true }));

const rows: Row[] = [];
const profiles: Profile[] = [];
const describe = startEnvironment(WORDS);

/** Rounds to four digits: more say nothing, and make the file long. */
const short = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;

/** Reports what was measured, and exits. After an error, the document is left as it was. */
const finish = (error?: unknown): never => {
  const measured: Result = { ...describe(), settings, goals: assess(rows), profiles, rows };
  const result = JSON.parse(JSON.stringify(measured, short)) as Result;
  if (result.goals.length > 0) console.log(`\n${formatGoals(result.goals)}`);
  console.log(`\nTook ${Math.ceil(measured.minutes)} minutes.`);
  if (options.json) writeFileSync(options.json, formatJson(result));
  if (error !== undefined) console.error(error instanceof Error ? error.message : error);
  else if (options.docs) writeDocs(ROOT, result);
  process.exit(error === undefined ? 0 : 1);
};

const LATE = `Not finished after ${options.limitMinutes} minutes. Set --limit, or choose with --run and --only.`;
setTimeout(() => finish(LATE), options.limitMinutes * 60_000).unref();

/** Keeps rows and prints them. */
const add = (title: string, more: readonly Row[]): void => {
  rows.push(...more);
  if (more.length > 0) console.log(`\n${title}. ${RUNS[(more[0] as Row).run]}.\n\n${formatRows(more)}`);
};

/** Profiles Tributary and adds its profile. */
const addProfile = async (candidate: Candidate, { name, operations }: Workload, port: number): Promise<void> => {
  const title = `${WORKLOADS[name]}: ${candidate.name}`;
  const profile = await profileGateway(title, candidate, operations, { folder, port, roundMs: settings.roundMs });
  profiles.push(profile);
  console.log(`\n${title}. ${RUNS.profile}.\n\n${formatProfile(profile)}`);
};

/** The runs of the benchmark, by workload. */
const MEASURED: Readonly<
  Record<WorkloadName, readonly (readonly [Run, (session: Session) => Promise<readonly Row[]>])[]>
> = {
  heavy: [
    ['saturated', runSaturated],
    ['half', runHalf],
    ['latency', runLatency],
  ],
  product: [
    ['saturated', runSaturated],
    ['half', runHalf],
  ],
  provider: [['provider', runProvider]],
  growth: [['growth', runGrowth]],
};

const hasStart = (name: WorkloadName): boolean => name === 'heavy' || name === 'product';

/** Runs those of a workload's runs that are chosen, with the chosen gateways. */
const runWorkload = async (name: WorkloadName): Promise<void> => {
  const chosen = MEASURED[name].filter(([run]) => runs.includes(run));
  const [isStarted, isProfiled] = [
    hasStart(name) && runs.includes('start'),
    name !== 'growth' && runs.includes('profile'),
  ];
  if (chosen.length === 0 && !isStarted && !isProfiled) return;
  // The subgraphs have the first two, then each gateway has one.
  const [port, ...ports] = await freePorts();
  const started = await startWorkload(name, { folder, port, ...options });
  const workload = { ...started, candidates: started.candidates.filter(options.isChosen) };
  const title = WORKLOADS[name];
  if (isStarted) add(title, await runStarts(workload, ports.slice(1), settings));
  if (isProfiled) {
    const profiled = name === 'provider' ? [EMBEDDED] : [TRIBUTARY, LIMITED];
    const ours = workload.candidates.filter((one) => profiled.includes(one.name));
    for (const candidate of ours) await addProfile(candidate, workload, ports.at(-1) as number);
  }
  if (chosen.length === 0) return workload.stop();
  const session = await openSession(workload, ports.slice(1), settings);
  for (const [, measureAll] of chosen) add(title, await measureAll(session));
  await closeSession(session);
};

/** Returns free ports for the subgraphs and for many gateways. */
const freePorts = async (): Promise<readonly [number, ...number[]]> => {
  const count = 20 + options.peers.length;
  const first = await freePort(count);
  return [first, ...Array.from({ length: count - 1 }, (_, index) => first + 1 + index)];
};

// The load generator runs in this process, on the subgraphs' core.
execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
/** The chosen workloads, and those that are a run of their own. */
const all: readonly WorkloadName[] = [
  ...workloads,
  ...(['provider', 'growth'] as const).filter((name) => runs.includes(name) && !workloads.includes(name)),
];
for (const name of all) await runWorkload(name).catch(finish);

finish();
