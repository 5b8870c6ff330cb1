import { readFile } from 'node:fs/promises';
import type { SandboxModule, StartedSandbox } from '../../connectors/define-provider.ts';
import { describeReads, readPublicSettings } from '../../connectors/describe-reads.ts';
import type { Infrastructure } from '../../connectors/infrastructure.ts';
import { pollSettingsOf } from '../../connectors/poll-settings.ts';
import { accountCredentialsOf, secretsOf, variablesOf } from '../../connectors/settings.ts';
import { ConfigError, type Env, namesOfSet, readEach } from '../../runtime/env.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import {
  createConfiguredInfrastructure,
  createProcessInfrastructure,
  INFRASTRUCTURE_SECRETS,
  InfrastructureEnv,
  readInfrastructureConfig,
} from '../../subgraphs/kit/infrastructure.ts';
import { hasCredentials, type Subgraph, type SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import { isForTenantsOnly, openConfiguredTenants, type Tenants } from '../../subgraphs/kit/tenants.ts';
import { startTelemetry } from '../../telemetry/start.ts';
import { type GatewayConfig, isSandboxAllowed, readConfig, urlVariable, withoutSecrets } from '../config.ts';
import type { ProviderCosts } from '../cost/estimate-calls.ts';
import { toReachableUrl } from '../http/reachable-url.ts';
import { startGatewayServer } from '../http/server.ts';
import type { StartedGateway } from '../started-gateway.ts';
import { createLiveSource } from '../subscriptions/live-source.ts';
import { createLocalTransport } from '../transports/in-process.ts';
import { createRemoteTransport } from '../transports/remote.ts';
import { createReplaceable, type ReplaceableTransport, replaceAll } from '../transports/replaceable.ts';
import { createFixedTransports, type Transport, type Transports } from '../transports/transport.ts';
import { type OpenWebhooks, openWebhooks } from '../webhooks/open-webhooks.ts';
import { checkBroker, checkWebhooks, readPollInterval, readWebhookSecrets } from '../webhooks/settings.ts';
import { SUPERGRAPH_FILE } from './files.ts';

/** The parts of the bundled graph that can change while it runs. */
export type BundledGraphParts = { readonly modules: readonly SubgraphModule[]; readonly supergraphSdl: string };

/** Calls `apply` with each change; `apply` rejects if it cannot be used. Returns an unsubscribe function. */
export type WatchBundledGraph = (apply: (next: BundledGraphParts) => Promise<void>) => () => void;

/**
 * Starts the gateway for the bundled graph. A subgraph without a URL runs in this process, and a provider without
 * credentials is replaced by its sandbox. With `watch`, subgraphs and supergraph may change while the gateway runs.
 *
 * Throws ConfigError naming every invalid variable: the gateway's own first, then those of the providers.
 */
export const startBundledGraph = async (env: Env, watch?: WatchBundledGraph): Promise<StartedGateway> => {
  const local = subgraphs.filter(({ name }) => !env[urlVariable(name)]);
  const sandboxed = isSandboxAllowed(env) ? await findSandboxed(local, env) : NO_SANDBOXES;
  const names = subgraphs.map(({ name }) => name);
  const [config] = readEach(
    () => readConfig(env, names, OTHER_VARIABLES),
    () => readInfrastructureConfig(env),
    () => checkWorkers(env, { local: local.length, sandboxed: sandboxed.size }),
    // Even if a subgraph is remote: that is refused below.
    ...subgraphs.map((module) => () => {
      readWebhookSecrets(module, env);
      readPollInterval(module, env, { isSandbox: false });
    }),
    ...local.map((module) => () => {
      // The sandboxes have not started, so they have no URLs yet.
      module.readConfig({ ...env, ...sandboxed.get(module)?.environment({ url: 'http://127.0.0.1' }) });
    }),
  );
  checkWebhooks(subgraphs, env, config);
  checkBroker(config);
  if (!hasTenants(config)) {
    const [module] = local.filter((one) => !sandboxed.has(one) && isForTenantsOnly(one.provider, env));
    if (module) throw new ConfigError(tenantsUnreachable(module));
  }
  const log = createLog(config.logLevel);
  const { telemetry, tracing, metrics, report, close: closeTelemetry } = await startTelemetry(config, log);
  const { infrastructure, redis, health } = await createProcessInfrastructure(env, log, telemetry);
  const sandboxes = new Map<SubgraphModule, StartedSandbox>();
  const environments = new Map<string, Env>();
  const created: Subgraph[] = [];
  let tenants: Tenants | undefined;
  let webhooks: OpenWebhooks | undefined;
  const create = (modules: readonly SubgraphModule[], on: Infrastructure, into: Subgraph[]): void => {
    for (const module of modules) into.push(module.create(environments.get(module.name) ?? env, on, tenants));
  };
  try {
    for (const [module, provider] of sandboxed) {
      const sandbox = await provider.start();
      sandboxes.set(module, sandbox);
      environments.set(module.name, { ...env, ...provider.environment(sandbox) });
    }
    // Where sandboxes replace providers, tenants use them too.
    tenants = await openConfiguredTenants({
      env: Object.assign({ ...env }, ...environments.values()),
      providers: subgraphs.map(({ provider }) => provider),
      called: local.map(({ provider }) => provider),
      log,
    });
    create(local, infrastructure, created);
    let serving: readonly Subgraph[] = created;
    webhooks = await openWebhooks({
      // The processes of the others follow the same inbox.
      subgraphs: subgraphs.map((module) => ({
        module,
        secrets: readWebhookSecrets(module, env),
        pollMs: readPollInterval(module, env, { isSandbox: sandboxes.has(module) }),
        sandbox: sandboxes.get(module),
      })),
      config: config.events,
      broker: config.broker,
      env,
      subgraphNamed: (name) => serving.find((one) => one.name === name),
      hasSharedCache: redis !== undefined,
      telemetry,
      log,
    });
    const eventsOf = (name: string) => webhooks?.eventsOf(name);
    const transports = new Map(created.map((one) => [one.name, createLocalTransport(one, { log, eventsOf })]));
    // Only a watched graph changes, so only its fetches look up the current transport.
    const replaceable = watch
      ? new Map([...transports].map(([name, transport]) => [name, createReplaceable(transport)]))
      : new Map<string, ReplaceableTransport>();
    const change = async (
      { modules, supergraphSdl }: BundledGraphParts,
      changeSupergraph: (sdl: string) => Promise<void>,
    ): Promise<void> => {
      const next: Subgraph[] = [];
      try {
        // The new code may expect cached values in another format.
        const fresh = redis ? infrastructure : createConfiguredInfrastructure(env, log, telemetry);
        const own = modules.filter(({ name }) => replaceable.has(name));
        const added = modules.filter(({ name }) => !replaceable.has(name) && !config.subgraphUrls.has(name));
        if (added.length > 0) {
          throw new ConfigError(`A new subgraph needs a restart: ${added.map(({ name }) => name).join(', ')}.`);
        }
        // If either fails, nothing is replaced.
        create(own, fresh, next);
        await changeSupergraph(supergraphSdl);
      } catch (error) {
        void closeAll(next);
        throw error;
      }
      serving = next;
      webhooks?.attach();
      replaceAll(replaceable, next, { log, eventsOf, graceMs: config.requestTimeoutMs });
    };
    const sources = sourcesOf(config, sandboxed);
    const server = await startGatewayServer({
      config,
      log,
      telemetry,
      tracing,
      supergraph: {
        sdl: await readFile(SUPERGRAPH_FILE, 'utf8'),
        ...(watch && { watch: (changeSupergraph) => watch((next) => change(next, changeSupergraph)) }),
      },
      transports: createTransports(config, watch ? replaceable : transports, log),
      redis,
      health: () => ({ ...health(), ...webhooks?.health() }),
      tenants,
      webhooks,
      status: report && { report, sources },
      providerOf: describeProviders(env, created, log),
      createLiveSource: (names) =>
        names.every((name) => created.some((one) => one.name === name) && eventsOf(name) !== undefined)
          ? createLiveSource(infrastructure.invalidations)
          : undefined,
    });
    webhooks?.connectSandboxes(toReachableUrl(server.url));
    for (const { warmUp } of created) void warmUp?.();
    return {
      url: server.url,
      config,
      sources,
      sandboxUrls: Object.fromEntries([...sandboxes].map(([{ name }, { url }]) => [name, url])),
      webhookUrls: webhooks?.sources
        .filter(({ isLocal }) => !isLocal)
        .map(({ provider }) => `${(config.publicUrl ?? server.url).replace(/\/$/, '')}/webhooks/${provider}`),
      health: server.health,
      metrics,
      report: server.report,
      close: async () => {
        await webhooks?.stopPolling();
        await server.close();
        await webhooks?.close();
        await closeTelemetry();
        redis?.close();
        tenants?.close();
        await closeAll([...sandboxes.values()]);
      },
    };
  } catch (error) {
    await webhooks?.close();
    await closeAll(created);
    await closeTelemetry();
    redis?.close();
    tenants?.close();
    await closeAll([...sandboxes.values()]);
    throw error;
  }
};

/** The variables of providers and infrastructure that are not secrets. */
const OTHER_VARIABLES = [
  ...withoutSecrets(Object.keys(InfrastructureEnv.shape), INFRASTRUCTURE_SECRETS),
  ...subgraphs.flatMap(({ provider }) => [
    ...withoutSecrets(Object.keys(variablesOf(provider).shape), secretsOf(provider)),
    ...Object.keys(pollSettingsOf(provider)),
  ]),
];

/** Describes the costs of the bundled subgraphs' providers, each when it is first asked for. */
const describeProviders = (
  env: Env,
  created: readonly Subgraph[],
  log: Log,
): ((subgraph: string) => ProviderCosts | undefined) => {
  const known = new Map<string, ProviderCosts | undefined>();
  const describe = (name: string): ProviderCosts | undefined => {
    const module = subgraphs.find((one) => one.name === name);
    if (!module?.costs) return undefined;
    const settings = readPublicSettings(module.provider, env);
    const reads = describeReads(module.provider, settings);
    if (!reads) log.warn({ subgraph: name }, 'The provider calls of this subgraph are neither estimated nor limited.');
    const forecast = created.find((one) => one.name === name)?.forecast;
    return reads && { costs: module.costs(settings), reads, forecast };
  };
  return (name) => {
    if (!known.has(name)) known.set(name, describe(name));
    return known.get(name);
  };
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

/** Whether a request can belong to a tenant. */
const hasTenants = ({ tenantHeader, auth: { issuers, apiKeys, certificates } }: GatewayConfig): boolean =>
  tenantHeader !== undefined ||
  apiKeys !== undefined ||
  issuers.some(({ claims }) => claims.tenant !== undefined) ||
  certificates.some(({ tenant }) => tenant !== undefined);

const tenantsUnreachable = ({ provider }: SubgraphModule): string =>
  `TENANTS: no request can belong to a tenant, and there is no other credential for ${provider.title}. Set TENANT_HEADER, ` +
  `JWT_TENANT_CLAIM, a tenant in AUTH_CONFIG, API keys, or ${accountCredentialsOf(provider).join(' or ')}.`;

type Sandboxed = ReadonlyMap<SubgraphModule, SandboxModule<StartedSandbox>>;

const NO_SANDBOXES: Sandboxed = new Map();

/** Returns the sandboxes to start: those of providers without credentials in the environment. */
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
