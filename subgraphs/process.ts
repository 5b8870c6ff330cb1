import { openStore } from '../events/inbox/open-store.ts';
import product from '../package.json' with { type: 'json' };
import { withAdminServer } from '../runtime/admin/server.ts';
import { type Env, readEach } from '../runtime/env.ts';
import { run } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { createMetricsRoute } from '../telemetry/metrics/route.ts';
import { startTelemetry } from '../telemetry/start.ts';
import { createReadiness } from '../telemetry/status/readiness.ts';
import { createStatusRoutes } from '../telemetry/status/routes.ts';
import { readConfig, readServed } from './config.ts';
import { subgraphs } from './index.ts';
import { createProcessInfrastructure, readInfrastructureConfig } from './kit/infrastructure.ts';
import { openEvents } from './kit/open-events.ts';
import { serve } from './kit/serve.ts';
import { hasCredentials, type SubgraphModule } from './kit/subgraph.ts';
import { openConfiguredTenants } from './kit/tenants.ts';

type Sandboxes = ReadonlyMap<string, Awaited<ReturnType<NonNullable<SubgraphModule['provider']['sandbox']>>>>;

/** Loads the sandbox modules, by provider name. */
const loadSandboxes = async (): Promise<Sandboxes> =>
  new Map(
    await Promise.all(
      subgraphs.flatMap(({ provider }) =>
        provider.sandbox ? [provider.sandbox().then((sandbox) => [provider.name, sandbox] as const)] : [],
      ),
    ),
  );

/** Returns the variables that point a subgraph at its sandbox; undefined without a sandbox URL or with credentials set. */
const sandboxVariables = (
  module: SubgraphModule,
  env: Env,
  sandboxUrls: ReadonlyMap<string, string>,
  sandboxes: Sandboxes,
) => {
  const url = sandboxUrls.get(module.provider.name);
  return url && !hasCredentials(module, env) ? sandboxes.get(module.provider.name)?.environment({ url }) : undefined;
};

/** Returns the subgraphs to serve, each with its environment. Throws ConfigError, also for providers' variables. */
const chooseSubgraphs = (env: Env, sandboxes: Sandboxes) => {
  const { names, sandboxUrls } = readServed(env);
  const chosen = subgraphs
    .filter(({ name }) => names.includes(name))
    .map((module) => {
      const sandbox = sandboxVariables(module, env, sandboxUrls, sandboxes);
      return { module, isSandbox: sandbox !== undefined, env: { ...env, ...sandbox } };
    });
  readEach(
    ...chosen.map(
      ({ module, env }) =>
        () =>
          module.readConfig(env),
    ),
  );
  return chosen;
};

/** Runs a process that serves the subgraphs that SUBGRAPHS names. */
export const runSubgraphs = (env: Env): Promise<void> => run(env, () => start(env));

const start = async (env: Env) => {
  const sandboxes: Sandboxes = env['SANDBOX_URLS'] ? await loadSandboxes() : new Map();
  const [{ logLevel, ...at }, , chosen] = readEach(
    () => readConfig(env),
    () => readInfrastructureConfig(env),
    () => chooseSubgraphs(env, sandboxes),
  );
  const log = createLog(logLevel);
  const { telemetry, tracing, metrics, report, close: closeTelemetry } = await startTelemetry(at, log);
  const { infrastructure, redis, health } = await createProcessInfrastructure(env, log, telemetry);
  const tenants = await openConfiguredTenants({
    env: Object.assign({ ...env }, ...chosen.map(({ env }) => env)),
    providers: subgraphs.map(({ provider }) => provider),
    called: chosen.map(({ module }) => module.provider),
    log,
  });
  const created = chosen.map(({ module, env }) => module.create(env, infrastructure, tenants));
  const byName = new Map(created.map((one) => [one.name, one]));
  const events =
    at.events &&
    (await openEvents({
      store: await openStore(at.events),
      modules: chosen.map(({ module }) => module),
      invalidate: async (name, changes) => byName.get(name)?.invalidate?.(changes),
      sharedCaches: redis ? [...byName.keys()] : [],
      limits: at.events.limits,
      telemetry,
      log,
    }));
  const assess = report ? createReadiness(at.readiness, report) : () => ({});
  const serving = await serve(created, {
    ...at,
    log,
    telemetry,
    tracing,
    eventsOf: events?.eventsOf,
    health: () => ({ ...health(), ...assess() }),
  });
  const sources = Object.fromEntries(
    chosen.map(({ module, isSandbox }) => [module.name, isSandbox ? ('sandbox' as const) : ('provider' as const)]),
  );
  const statusRoutes =
    report && at.admin
      ? createStatusRoutes({
          product: product.version,
          sources,
          kind: 'subgraphs',
          read: async () => [{ ...report(), status: (await serving.health()).status }],
        })
      : [];
  const adminRoutes = [...(metrics ? [createMetricsRoute(metrics.read)] : []), ...statusRoutes];
  const served = await withAdminServer({ ...serving, adminRoutes }, { ...at, logLevel });
  const stopWatching = at.secrets.watch(log);
  for (const { module, isSandbox } of chosen) {
    const source = isSandbox ? 'its provider’s sandbox, with sample data' : 'its provider, for real';
    console.log(`The subgraph ${module.name} answers at ${served.url}/${module.name} and calls ${source}`);
  }
  if (served.adminUrl) {
    console.log(`Status of the providers: ${served.adminUrl}/status`);
    console.log(`Metrics for Prometheus: ${served.adminUrl}/metrics`);
  }
  return {
    close: async () => {
      await served.close();
      await events?.close();
      await closeTelemetry();
      stopWatching();
      redis?.close();
      tenants?.close();
    },
  };
};
