import { readFile } from 'node:fs/promises';
import type { Kit } from '../connectors/provider.ts';
import { ConfigError, type Env } from '../runtime/env.ts';
import { createLog, type Log } from '../runtime/log.ts';
import { type SandboxedProvider, sandboxOf } from '../sandbox/index.ts';
import type { Sandbox } from '../sandbox/server.ts';
import { subgraphs } from '../subgraphs/index.ts';
import { createProcessKit } from '../subgraphs/kit.ts';
import { hasCredentials, type Subgraph, type SubgraphModule } from '../subgraphs/subgraph.ts';
import { type GatewayConfig, readConfig } from './config.ts';
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
 * Throws ConfigError: for the gateway's own variables first, then for those of all providers at once.
 */
export const startProduct = async (env: Env, watch?: WatchProduct): Promise<StartedGateway> => {
  const config = readConfig(
    env,
    subgraphs.map(({ name }) => name),
  );
  const log = createLog(config.logLevel);
  const local = subgraphs.filter(({ name }) => !config.subgraphUrls.has(name));
  const standIns = config.sandboxAllowed ? findStandIns(local, env) : new Map<SubgraphModule, SandboxedProvider>();
  if (config.workers > 1 && local.length > 0) checkWorkers(env, standIns.size);
  const { kit, redis, health } = createProcessKit(env, log);
  const made = createAll(
    local.filter((module) => !standIns.has(module)),
    env,
    kit,
  );
  const started: Sandbox[] = [];
  const environments = new Map<string, Env>();
  try {
    for (const [module, standIn] of standIns) {
      const sandbox = await standIn.start();
      started.push(sandbox);
      const own = { ...env, ...standIn.environment(sandbox) };
      environments.set(module.name, own);
      made.push(module.create(own, kit));
    }
    const ways = new Map(made.map((one) => [one.name, createReplaceable(createLocalTransport(one, log))]));
    const recreate = (modules: readonly SubgraphModule[]): Subgraph[] => {
      // What is kept may have another shape for the code that comes.
      const fresh = redis ? kit : createProcessKit(env, log).kit;
      const own = modules.filter(({ name }) => ways.has(name));
      return own.map((module) => module.create(environments.get(module.name) ?? env, fresh));
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

const createAll = (modules: readonly SubgraphModule[], env: Env, kit: Kit): Subgraph[] => {
  const problems: string[] = [];
  const made = modules.flatMap((module) => {
    try {
      return [module.create(env, kit)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return made;
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
