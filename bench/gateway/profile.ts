import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Candidate } from './candidates.ts';
import { firstResponse, startGateway } from './gateways.ts';
import { loadFor, type Operation } from './load.ts';
import { NODE, terminate } from './processes.ts';
import type { Profile } from './result.ts';

/* Where the CPU time of a gateway is spent: V8's CPU profile, its samples summed up by the code that they were in. */

type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const NATIVE = 'native code of Node.js and V8: sockets, HTTP parser, strings';

// The first that matches a function's name and file. Native and generated functions have no file. V8 adds the time of JSON.parse
// and JSON.stringify to the functions that call them.
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['idle', /^\((idle|root)\)/],
  ['garbage collection', /^\(garbage collector\)/],
  ['JSON.parse', /^(parse|parseJson \S*\/parse\.ts)$/],
  ['JSON.stringify', /^(stringify|prettyJSONStringify \S*)$/],
  ['execution: compiled programs', /^(shape_\w+|objectsAt|mergeFields|findRepresentation|)$/],
  [NATIVE, /^\S+$/],
  ['requests to subgraphs and providers (undici)', /undici/],
  ['costs in provider calls, limits per client', /\/gateway\/(cost\/|http\/(client-limits|begin-calls)\.ts)/],
  ['execution: the rest', /\/gateway\/execution\//],
  ['other code of the gateway', /\/gateway\//],
  ['subgraphs', /\/subgraphs\//],
  ['connectors', /\/connectors\//],
  ['telemetry', /\/telemetry\//],
  ['runtime', /\/runtime\//],
  [
    'Apollo Server, Fastify, graphql-js',
    /node_modules\/(@apollo|@as-integrations|fastify|@fastify|graphql|find-my-way|avvio)/,
  ],
  ['other packages', /node_modules/],
  ['JavaScript of Node.js', / node:/],
];

const kindOf = (functionName: string, url: string): string =>
  KINDS.find(([, pattern]) => pattern.test(`${functionName} ${url}`.trim()))?.[0] ?? NATIVE;

/** Sums up a profile's samples, without idle time. */
const summarize = ({ nodes, samples, timeDeltas }: CpuProfile, fromShare: number): Record<string, number> => {
  const kinds = new Map(nodes.map(({ id, callFrame }) => [id, kindOf(callFrame.functionName, callFrame.url)]));
  const times: Record<string, number> = {};
  let total = 0;
  for (const [index, id] of samples.entries()) {
    // Without the start and the warm-up.
    if (index < samples.length * fromShare) continue;
    const kind = kinds.get(id) ?? 'idle';
    if (kind === 'idle') continue;
    const time = timeDeltas[index] ?? 0;
    times[kind] = (times[kind] ?? 0) + time;
    total += time;
  }
  return Object.fromEntries(Object.entries(times).map(([kind, time]) => [kind, time / total]));
};

const largest = (folder: string): string => {
  const files = readdirSync(folder).map((name) => join(folder, name));
  return files.sort((one, other) => statSync(other).size - statSync(one).size)[0] as string;
};

/** Profiles a gateway that runs in Node.js under a saturating load. */
export const profileGateway = async (
  title: string,
  candidate: Candidate,
  operations: readonly Operation[],
  { folder, port, roundMs }: { readonly folder: string; readonly port: number; readonly roundMs: number },
): Promise<Profile> => {
  const profiles = join(folder, `profile-${port}-${candidate.name.replaceAll(/\W/g, '-')}`);
  mkdirSync(profiles);
  const command = (at: number) =>
    candidate
      .command(at)
      .flatMap((word) =>
        word === NODE ? [NODE, '--cpu-prof', '--cpu-prof-interval=1000', `--cpu-prof-dir=${profiles}`] : [word],
      );
  const gateway = startGateway({ ...candidate, command }, port);
  await firstResponse(gateway, operations[0] as Operation);
  for (let round = 0; round < 3; round += 1) await loadFor(gateway.url, operations, 50, roundMs);
  const exited = once(gateway.child, 'exit');
  terminate(gateway.child);
  await exited;
  const profile = JSON.parse(readFileSync(largest(profiles), 'utf8')) as CpuProfile;
  return { title, shares: summarize(profile, 2 / 3) };
};
