import { join } from 'node:path';
import { AUTHENTICATED, BASELINE, BY_HAND, EMBEDDED, IN_PROCESS, LIMITED, RUST, STOCK, TRIBUTARY } from './names.ts';
import { NODE, ROOT } from './processes.ts';
import { AUTH_ENV } from './tokens.ts';

/* The gateways that are compared, each as a command. */

const PEERS = join(import.meta.dirname, 'peers');

export type Candidate = {
  readonly name: string;
  readonly cwd: string;
  readonly command: (port: number) => readonly string[];
  readonly env: object;
  /** It does not send requests to the subgraphs' server. */
  readonly isAlone?: true;
};

/** A gateway that the user named: its command, with `{port}` and `{supergraph}` (a file). */
export type Peer = { readonly name: string; readonly command: string };

/** Reads `name='command'`. Throws an Error that says how it is written. */
export const parsePeer = (text: string): Peer => {
  const [, name, command] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (!name || !command?.includes('{port}'))
    throw new Error(`--peer ${text}: write name='command', with {port} and {supergraph} where they belong.`);
  return { name, command };
};

const toCandidate = ({ name, command }: Peer, supergraph: string): Candidate => ({
  name,
  cwd: process.cwd(),
  // `exec`, so that the gateway replaces the shell.
  command: (port) => [
    ...['sh', '-c'],
    `exec ${command.replaceAll('{port}', String(port)).replaceAll('{supergraph}', supergraph)}`,
  ],
  env: {},
});

const hive = (name: string, supergraph: string, config: string): Candidate => ({
  name,
  cwd: PEERS,
  command: (port) => [
    join(PEERS, 'node_modules/.bin/hive-gateway'),
    ...['supergraph', supergraph, '-p', String(port), '-h', '127.0.0.1', '-c', config],
  ],
  env: {},
});

/** All gateways of others that serve a supergraph. */
export const peersOf = (supergraph: string, peers: readonly Peer[]): readonly Candidate[] => [
  { name: STOCK, cwd: ROOT, command: () => [NODE, 'bench/gateway/stock.ts'], env: { SUPERGRAPH: supergraph } },
  hive('Hive', supergraph, 'hive.config.js'),
  hive(RUST, supergraph, 'hive-rust.config.js'),
  ...peers.map((peer) => toCandidate(peer, supergraph)),
];

/** Supports Federation 1 only. */
export const mercurius = (subgraphs: string): Candidate => ({
  ...{ name: 'Mercurius', cwd: PEERS, command: () => [NODE, 'mercurius.js'] },
  env: { SUBGRAPHS: subgraphs },
});

/** Sends the heavy query's fetches without GraphQL. */
export const byHand = (subgraphs: string): Candidate => ({
  ...{ name: BY_HAND, cwd: ROOT, command: () => [NODE, 'bench/gateway/by-hand.ts'] },
  env: { SUBGRAPHS: subgraphs },
});

/** The gateway as `npm start` runs it. */
export const GATEWAY = [NODE, '--max-semi-space-size=32', 'gateway/main.ts'] as const;
const FORWARD = { FORWARD_HEADERS: 'authorization' };

/** One candidate for this checkout and one for the baseline. */
const ofCheckouts = (baseline: string | undefined, candidate: Omit<Candidate, 'cwd'>): readonly Candidate[] =>
  [ROOT, ...(baseline ? [baseline] : [])].map((cwd) => ({
    ...candidate,
    name: `${candidate.name}${cwd === ROOT ? '' : BASELINE}`,
    cwd,
  }));

export const tributary = (supergraph: string, baseline: string | undefined): readonly Candidate[] =>
  ofCheckouts(baseline, { name: TRIBUTARY, command: () => GATEWAY, env: { SUPERGRAPH: supergraph, ...FORWARD } });

/** Verifies the clients' tokens, without plans and with the plans in a file. */
export const authenticated = (supergraph: string, plans: string): readonly Candidate[] => {
  const env = { SUPERGRAPH: supergraph, ...FORWARD, ...AUTH_ENV };
  return [
    { name: AUTHENTICATED, cwd: ROOT, command: () => GATEWAY, env },
    { name: LIMITED, cwd: ROOT, command: () => GATEWAY, env: { ...env, PLANS: plans } },
  ];
};

export const inProcess = (supergraph: string, baseline: string | undefined): readonly Candidate[] =>
  ofCheckouts(baseline, {
    name: IN_PROCESS,
    command: () => [NODE, '--max-semi-space-size=32', 'bench/gateway/in-process.ts'],
    env: { SUPERGRAPH_FILE: supergraph, ...FORWARD },
    isAlone: true,
  });

/** With its subgraphs in its process; `providers` are the variables that point it at the sandboxes. */
export const embedded = (providers: object, baseline: string | undefined): readonly Candidate[] =>
  ofCheckouts(baseline, { name: EMBEDDED, command: () => GATEWAY, env: providers });
