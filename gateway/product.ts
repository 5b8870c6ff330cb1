import { readFile } from 'node:fs/promises';
import { ConfigError, type Env, readEach } from '../runtime/env.ts';
import { createLog, type Log } from '../runtime/log.ts';
import { type SandboxedProvider, sandboxOf } from '../sandbox/index.ts';
import type { Sandbox } from '../sandbox/server.ts';
import { subgraphs } from '../subgraphs/index.ts';
import { createProcessKit, readKitConfig } from '../subgraphs/kit.ts';
import { hasCredentials, type Subgraph, type SubgraphModule } from '../subgraphs/subgraph.ts';
import { type GatewayConfig, isSandboxAllowed, readConfig, urlVariable } from './config.ts';
import { createLocalTransport } from './local-transport.ts';
import { createRemoteTransport } from './remote-transport.ts';
import { createReplaceable, replaceAll } from './replaceable.ts';
import { startGatewayServer } from './server.ts';
import type { StartedGateway } from './start.ts';
import { SUPERGRAPH_FILE } from './supergraph.ts';
import { createFixedTransports, type Transport, type Transports } from './transport.ts';

/** The parts of the product that can change while it runs. */
export type ProductParts = { readonly modules: readonly SubgraphModule[]; readonly supergraphSdl: string };

/** Calls `apply` with each change, which throws where it cannot be used and leaves what was before; gives what ends that. */
export type WatchProduct = (apply: (next: ProductParts) => void) => () => void;

/**
 * Starts the gateway in front of the product's graph: each subgraph in this process unless it has a URL, each provider for real
 * where it has credentials and by its sandbox where it has none. With `watch`, subgraphs and supergraph may change meanwhile.
 *
 * Throws ConfigError naming every variable at fault: the gateway's own first, then those of the providers.
 */
export const startProduct = async (env: Env, watch?: WatchProduct): Promise<StartedGateway> => {
  const { local, standIns, real } = placesOf(env);
  const names = subgraphs.map(({ name }) => name);
  const [config] = readEach(
    () => readConfig(env, names),
    () => readKitConfig(env),
    ...real.map((module) => () => module.readConfig(env)),
  );
  const log = createLog(config.logLevel);
  if (config.workers > 1 && local.length > 0) checkWorkers(env, standIns.size);
  const { kit, redis, health } = createProcessKit(env, log);
  const started: Sandbox[] = [];
  const environments = new Map<string, Env>();
  const environmentOf = ({ name }: SubgraphModule): Env => environments.get(name) ?? env;
  try {
    for (const [module, standIn] of standIns) {
      const sandbox = await standIn.start();
      started.push(sandbox);
      environments.set(module.name, { ...env, ...standIn.environment(sandbox) });
    }
    const made = readEach(...local.map((module) => () => module.create(environmentOf(module), kit)));
    const ways = new Map(made.map((one) => [one.name, createReplaceable(createLocalTransport(one, log))]));
    const recreate = (modules: readonly SubgraphModule[]): Subgraph[] => {
      // What is kept may have another shape for the code that comes.
      const fresh = redis ? kit : createProcessKit(env, log).kit;
      const own = modules.filter(({ name }) => ways.has(name));
      return own.map((module) => module.create(environmentOf(module), fresh));
    };
    const server = await startGatewayServer({
      config,
      log,
      supergraph: {
        sdl: await readFile(SUPERGRAPH_FILE, 'utf8'),
        ...(watch && {
          watch: (changeSupergraph) =>
            watch(({ modules, supergraphSdl }) => {
              // Both can fail, and then nothing is replaced.
              const next = recreate(modules);
              changeSupergraph(supergraphSdl);
              replaceAll(ways, next, { log, graceMs: config.requestTimeoutMs });
            }),
        }),
      },
      transports: createTransports(config, ways, log),
      redis,
      health,
    });
    for (const { warmUp } of made) void warmUp?.();
    return {
      url: server.url,
      config,
      sources: sourcesOf(config, standIns),
      close: async () => {
        await server.close();
        redis?.close();
        await Promise.all(started.map((sandbox) => sandbox.close()));
      },
    };
  } catch (error) {
    redis?.close();
    await Promise.all(started.map((sandbox) => sandbox.close()));
    throw error;
  }
};

/** Which subgraphs run in this process, and what is behind each: its provider's sandbox or, `real`, the provider. */
const placesOf = (env: Env) => {
  const local = subgraphs.filter(({ name }) => !env[urlVariable(name)]);
  const standIns = isSandboxAllowed(env) ? findStandIns(local, env) : new Map<SubgraphModule, SandboxedProvider>();
  return { local, standIns, real: local.filter((module) => !standIns.has(module)) };
};

const checkWorkers = (env: Env, sandboxes: number): void => {
  const refuse = (why: string): never => {
    throw new ConfigError(`CLUSTER_WORKERS: ${why}`);
  };
  if (sandboxes > 0) refuse('each worker would have sandboxes of its own. Run them with `npm run sandbox`.');
  if (!env['REDIS_URL'] && !env['REDIS_URL_FILE']) {
    refuse('workers keep to quotas together by way of Redis: set REDIS_URL.');
  }
};

/** The sandboxes to use: of the providers that have one and that nothing in the environment gives access to. */
const findStandIns = (modules: readonly SubgraphModule[], env: Env): Map<SubgraphModule, SandboxedProvider> => {
  const found = new Map<SubgraphModule, SandboxedProvider>();
  for (const module of modules) {
    const standIn = sandboxOf(module.provider);
    if (standIn && !hasCredentials(module, env)) found.set(module, standIn);
  }
  return found;
};

const createTransports = (config: GatewayConfig, ways: ReadonlyMap<string, Transport>, log: Log): Transports =>
  createFixedTransports(
    Object.fromEntries([
      ...ways,
      ...[...config.subgraphUrls].map(
        ([name, url]) => [name, createRemoteTransport(config.remote(name, url), log)] as const,
      ),
    ]),
  );

const sourcesOf = (
  { subgraphUrls }: GatewayConfig,
  standIns: ReadonlyMap<SubgraphModule, SandboxedProvider>,
): StartedGateway['sources'] => {
  const sourceOf = (module: SubgraphModule) => {
    if (subgraphUrls.has(module.name)) return 'remote';
    return standIns.has(module) ? 'sandbox' : 'provider';
  };
  return Object.fromEntries(subgraphs.map((module) => [module.name, sourceOf(module)]));
};
