import { readFile } from 'node:fs/promises';
import type { SandboxModule } from '../../connectors/define-provider.ts';
import type { Infrastructure } from '../../connectors/infrastructure.ts';
import { ConfigError, type Env, namesOfSet, readEach } from '../../runtime/env.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { createProcessInfrastructure, readInfrastructureConfig } from '../../subgraphs/kit/infrastructure.ts';
import { hasCredentials, type Subgraph, type SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import { type GatewayConfig, isSandboxAllowed, readConfig, urlVariable } from '../config.ts';
import { startGatewayServer } from '../http/server.ts';
import type { StartedGateway } from '../start.ts';
import { createLocalTransport } from '../transports/in-process.ts';
import { createRemoteTransport } from '../transports/remote.ts';
import { createReplaceable, type ReplaceableTransport, replaceAll } from '../transports/replaceable.ts';
import { createFixedTransports, type Transport, type Transports } from '../transports/transport.ts';
import { SUPERGRAPH_FILE } from './files.ts';

/** The parts of the bundled graph that can change while it runs. */
export type BundledGraphParts = { readonly modules: readonly SubgraphModule[]; readonly supergraphSdl: string };

/** Calls `apply` with each change; it throws where the change cannot be used, and the graph stays. Returns an unsubscribe function. */
export type WatchBundledGraph = (apply: (next: BundledGraphParts) => void) => () => void;

/**
 * Starts the gateway in front of the product's graph: each subgraph in this process unless it has a URL, each provider for real
 * where it has credentials and by its sandbox where it has none. With `watch`, subgraphs and supergraph may change meanwhile.
 *
 * Throws ConfigError naming every variable at fault: the gateway's own first, then those of the providers.
 */
export const startBundledGraph = async (env: Env, watch?: WatchBundledGraph): Promise<StartedGateway> => {
  const local = subgraphs.filter(({ name }) => !env[urlVariable(name)]);
  const sandboxed = isSandboxAllowed(env) ? await findSandboxed(local, env) : NO_SANDBOXES;
  const names = subgraphs.map(({ name }) => name);
  const [config] = readEach(
    () => readConfig(env, names),
    () => readInfrastructureConfig(env),
    () => checkWorkers(env, { local: local.length, sandboxed: sandboxed.size }),
    ...local.map((module) => () => {
      // The sandboxes have no addresses yet.
      module.readConfig({ ...env, ...sandboxed.get(module)?.environment({ url: 'http://127.0.0.1' }) });
    }),
  );
  const log = createLog(config.logLevel);
  const { infrastructure, redis, health } = createProcessInfrastructure(env, log);
  const sandboxes: StartedSandbox[] = [];
  const environments = new Map<string, Env>();
  const created: Subgraph[] = [];
  const create = (modules: readonly SubgraphModule[], on: Infrastructure, into: Subgraph[]): void => {
    for (const module of modules) into.push(module.create(environments.get(module.name) ?? env, on));
  };
  try {
    for (const [module, provider] of sandboxed) {
      const sandbox = await provider.start();
      sandboxes.push(sandbox);
      environments.set(module.name, { ...env, ...provider.environment(sandbox) });
    }
    create(local, infrastructure, created);
    const transports = new Map(created.map((one) => [one.name, createLocalTransport(one, log)]));
    // Only a watched graph changes, so only there each fetch looks which transport is the current one.
    const replaceable = watch
      ? new Map([...transports].map(([name, transport]) => [name, createReplaceable(transport)]))
      : new Map<string, ReplaceableTransport>();
    const change = ({ modules, supergraphSdl }: BundledGraphParts, changeSupergraph: (sdl: string) => void): void => {
      const next: Subgraph[] = [];
      try {
        // Cached values may have another shape for the new code.
        const fresh = redis ? infrastructure : createProcessInfrastructure(env, log).infrastructure;
        const own = modules.filter(({ name }) => replaceable.has(name));
        const added = modules.filter(({ name }) => !replaceable.has(name) && !config.subgraphUrls.has(name));
        if (added.length > 0) {
          throw new ConfigError(`A new subgraph needs a restart: ${added.map(({ name }) => name).join(', ')}.`);
        }
        // Where either fails, nothing is replaced.
        create(own, fresh, next);
        changeSupergraph(supergraphSdl);
      } catch (error) {
        void closeAll(next);
        throw error;
      }
      replaceAll(replaceable, next, { log, graceMs: config.requestTimeoutMs });
    };
    const server = await startGatewayServer({
      config,
      log,
      supergraph: {
        sdl: await readFile(SUPERGRAPH_FILE, 'utf8'),
        ...(watch && { watch: (changeSupergraph) => watch((next) => change(next, changeSupergraph)) }),
      },
      transports: createTransports(config, watch ? replaceable : transports, log),
      redis,
      health,
    });
    for (const { warmUp } of created) void warmUp?.();
    return {
      url: server.url,
      config,
      sources: sourcesOf(config, sandboxed),
      health: () => ({ status: server.status(), ...health() }),
      close: async () => {
        await server.close();
        redis?.close();
        await closeAll(sandboxes);
      },
    };
  } catch (error) {
    await closeAll(created);
    redis?.close();
    await closeAll(sandboxes);
    throw error;
  }
};

const closeAll = async (parts: readonly { readonly close: () => Promise<void> }[]): Promise<void> => {
  await Promise.all(parts.map((part) => part.close()));
};

const checkWorkers = (env: Env, subgraphs: { readonly local: number; readonly sandboxed: number }): void => {
  if (!(Number(env['CLUSTER_WORKERS']) > 1) || subgraphs.local === 0) return;
  const refuse = (why: string): never => {
    throw new ConfigError(`CLUSTER_WORKERS: ${why}`);
  };
  if (subgraphs.sandboxed > 0) {
    refuse('must be 1 while sandboxes run in this process, or each worker would have its own. Use `npm run sandbox`.');
  }
  if (namesOfSet(['REDIS_URL'], env).length === 0) {
    refuse('must be 1 without REDIS_URL, as workers keep to quotas together by way of Redis.');
  }
};

type StartedSandbox = { readonly url: string; readonly close: () => Promise<void> };

type Sandboxed = ReadonlyMap<SubgraphModule, SandboxModule<StartedSandbox>>;

const NO_SANDBOXES: Sandboxed = new Map();

/** The sandboxes to use: of the providers that have one and no credentials in the environment. */
const findSandboxed = async (modules: readonly SubgraphModule[], env: Env): Promise<Sandboxed> => {
  const found = new Map<SubgraphModule, SandboxModule<StartedSandbox>>();
  for (const module of modules) {
    const { sandbox } = module.provider;
    if (sandbox && !hasCredentials(module, env)) found.set(module, await sandbox());
  }
  return found;
};

const createTransports = (config: GatewayConfig, local: ReadonlyMap<string, Transport>, log: Log): Transports =>
  createFixedTransports(
    Object.fromEntries([
      ...local,
      ...[...config.subgraphUrls].map(
        ([name, url]) => [name, createRemoteTransport(config.remote(name, url), log)] as const,
      ),
    ]),
  );

const sourcesOf = ({ subgraphUrls }: GatewayConfig, sandboxed: Sandboxed): StartedGateway['sources'] => {
  const sourceOf = (module: SubgraphModule) => {
    if (subgraphUrls.has(module.name)) return 'remote';
    return sandboxed.has(module) ? 'sandbox' : 'provider';
  };
  return Object.fromEntries(subgraphs.map((module) => [module.name, sourceOf(module)]));
};
