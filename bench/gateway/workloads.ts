import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backend, startBackend } from './backend.ts';
import {
  authenticated,
  byHand,
  type Candidate,
  embedded,
  inProcess,
  mercurius,
  type Peer,
  peersOf,
  tributary,
} from './candidates.ts';
import { GROWTH_SCHEMAS } from './growth.ts';
import type { Operation } from './load.ts';
import type { WorkloadName } from './names.ts';
import { NODE, ROOT, startOn, stop } from './processes.ts';
import { OPERATIONS } from './product.ts';
import { ENVIRONMENT_PATH } from './providers.ts';
import { HEAVY, SCHEMAS } from './shop.ts';
import { composeAt, productAt, withoutScopes } from './supergraph.ts';

/* What is requested, from which candidates, in front of which subgraphs. */

export type Workload = {
  readonly name: WorkloadName;
  readonly operations: readonly Operation[];
  readonly candidates: readonly Candidate[];
  readonly backend: Backend;
  /** Processes on the gateways' core whose CPU and memory count with a gateway's, except with one that `isAlone`. */
  readonly besides: readonly number[];
  readonly stop: () => void;
};

export type WorkloadOptions = {
  /** Where files may be written. */
  readonly folder: string;
  /** The first of 10 free ports. */
  readonly port: number;
  readonly peers: readonly Peer[];
  readonly baseline: string | undefined;
};

/** Writes a supergraph to a file. */
const write = (folder: string, name: string, sdl: string): string => {
  const file = join(folder, `${name}.graphql`);
  writeFileSync(file, sdl);
  return file;
};

/** Writes plans with every kind of limit, none of which is reached. */
const writePlans = (folder: string): string => {
  const file = join(folder, 'plans.json');
  const subgraphs = ['payments', 'crm', 'inventory'];
  const most = Object.fromEntries(subgraphs.map((name) => [name, 10_000_000]));
  const window = { limit: 10_000_000, seconds: 60 };
  const plan = { requests: window, calls: window, callsPerOperation: most, callsPerDay: most };
  writeFileSync(file, JSON.stringify({ default: 'everybody', plans: { everybody: plan } }));
  return file;
};

type Create = (options: WorkloadOptions) => Promise<Workload>;

const heavy: Create = async ({ folder, port, peers, baseline }) => {
  const backend = await startBackend('bench/gateway/subgraphs.ts', port);
  const supergraph = write(folder, 'shop', composeAt(backend.url, SCHEMAS));
  return {
    name: 'heavy',
    operations: [{ query: HEAVY }],
    candidates: [
      ...peersOf(supergraph, peers),
      mercurius(backend.url),
      ...tributary(supergraph, baseline),
      ...inProcess(supergraph, baseline),
      byHand(backend.url),
    ],
    backend,
    besides: [],
    stop: backend.stop,
  };
};

const product: Create = async ({ folder, port, peers, baseline }) => {
  const backend = await startBackend('bench/gateway/product.ts', port);
  const withScopes = productAt(backend.url);
  const supergraph = write(folder, 'product', withoutScopes(withScopes));
  return {
    name: 'product',
    operations: OPERATIONS,
    candidates: [
      ...peersOf(supergraph, peers),
      ...tributary(supergraph, baseline),
      ...authenticated(write(folder, 'product-with-scopes', withScopes), writePlans(folder)),
    ],
    backend,
    besides: [],
    stop: backend.stop,
  };
};

const provider: Create = async ({ folder, port, peers, baseline }) => {
  const backend = await startBackend('bench/gateway/providers.ts', port, 'calls');
  const providers = (await (await fetch(backend.url + ENVIRONMENT_PATH)).json()) as object;
  // On the gateways' core, because their CPU counts too.
  const subgraphs = startOn(0, [NODE, 'subgraphs/main.ts'], {
    cwd: ROOT,
    env: {
      ...{ NODE_ENV: 'production', LOG_LEVEL: 'error', SUBGRAPH_SECRET: 'none', AUTH: 'none' },
      ...{ SUBGRAPHS: 'payments,crm,inventory', PORT: String(port + 1), ...providers },
    },
  });
  const supergraph = write(folder, 'provider', withoutScopes(productAt(`http://127.0.0.1:${port + 1}`)));
  return {
    name: 'provider',
    operations: OPERATIONS,
    candidates: [
      ...peersOf(supergraph, peers),
      ...tributary(supergraph, undefined).map((one) => ({ ...one, name: 'Tributary, subgraphs over HTTP' })),
      ...embedded(providers, baseline).map((one) => ({ ...one, isAlone: true as const })),
    ],
    backend,
    besides: [subgraphs.pid ?? -1],
    stop: () => {
      stop(subgraphs);
      backend.stop();
    },
  };
};

const growth: Create = async ({ folder, port, peers, baseline }) => {
  const backend = await startBackend('bench/gateway/subgraphs.ts', port);
  const supergraph = write(folder, 'growth', composeAt(backend.url, GROWTH_SCHEMAS));
  return {
    name: 'growth',
    operations: [],
    candidates: [...peersOf(supergraph, peers), ...tributary(supergraph, baseline)],
    backend,
    besides: [],
    stop: backend.stop,
  };
};

const CREATE: Readonly<Record<WorkloadName, Create>> = { heavy, product, provider, growth };

/** Starts what a workload needs behind its gateways. */
export const startWorkload = (name: WorkloadName, options: WorkloadOptions): Promise<Workload> => CREATE[name](options);
