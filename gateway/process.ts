import cluster from 'node:cluster';
import product from '../package.json' with { type: 'json' };
import { withAdminServer } from '../runtime/admin/server.ts';
import type { Env } from '../runtime/env.ts';
import { run } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { pushMetrics } from '../telemetry/metrics/push.ts';
import { createMetricsRoute } from '../telemetry/metrics/route.ts';
import { createStatusRoutes } from '../telemetry/status/routes.ts';
import { type GatewayConfig, readConfig } from './config.ts';
import { startGateway } from './start.ts';
import type { StartedGateway } from './started-gateway.ts';
import { answerMetricsRequests } from './worker-metrics.ts';
import { healthQuestion, type Ready, startWorkers, statusQuestion } from './workers.ts';

const SOURCES = {
  provider: 'its provider, for real',
  sandbox: "its provider's sandbox, with sample data",
  remote: 'a separate process',
} as const;

const EXAMPLE_QUERY = `{
  customers(first: 1) {
    edges {
      node {
        firstName
        company { name }
        payments(first: 2) { edges { node { status amount { amount currency } } } }
        deals(first: 1) { edges { node { name lineItems { quantity product { name stock { quantity inStock } } } } } }
      }
    }
  }
}`;

const printBanner = (
  {
    url,
    adminUrl,
    sources,
    sandboxUrls = {},
    webhookUrls = [],
  }: Ready & Pick<StartedGateway, 'sandboxUrls'> & { readonly adminUrl?: string | undefined },
  { explorer, desk, supergraphFile, auth, clientLimits, statusPage }: GatewayConfig,
): void => {
  const statusUrl = adminUrl ?? (statusPage ? url : undefined);
  const lines = [
    `Tributary answers at ${url}/graphql`,
    ...(desk ? [`Customer desk:            ${url}/desk`] : []),
    ...(explorer ? [`Explore the graph:        ${url}/graphiql, or in Apollo Sandbox: ${url}/`] : []),
    ...(statusUrl ? [`Status of the providers:  ${statusUrl}/status`] : []),
    ...(auth.withoutCredentials === 'unrestricted'
      ? ['Authentication:           none, so everyone may do everything. See docs/security.md.']
      : []),
    ...(auth.development ? [`Tokens of sample people:  ${url}/auth/development/people`] : []),
    ...(clientLimits ? [`Limits of clients:        ${clientLimits.plansFile}`] : []),
    ...(adminUrl
      ? [`Health in detail:         ${adminUrl}/health/ready`, `Metrics for Prometheus:   ${adminUrl}/metrics`]
      : []),
    ...webhookUrls.map((webhookUrl) => `Receives the webhook:     ${webhookUrl}`),
    ...Object.entries(sources).map(([name, source]) => {
      const at = sandboxUrls[name] ? `, at ${sandboxUrls[name]}` : '';
      return `  ${name.padEnd(10)} from ${SOURCES[source]}${at}`;
    }),
    ...(supergraphFile ? [] : [`\nA first query across all three subgraphs:\n\n${EXAMPLE_QUERY}\n`]),
  ];
  console.log(lines.join('\n'));
};

/** Time for a worker to send its last metrics and traces and to exit, after its requests have ended, in milliseconds. */
const STOP_MARGIN_MS = 5_000;

const startCluster = async (env: Env, workers: number) => {
  const started = await startWorkers(workers, {
    openLog: () => createLog(readConfig(env, []).logLevel),
    stopTimeoutMs: () => {
      const { shutdownDelayMs, shutdownGraceMs } = readConfig(env, []);
      return shutdownDelayMs + shutdownGraceMs + STOP_MARGIN_MS;
    },
  });
  const { metrics, admin, http, logLevel } = readConfig(env, []);
  const { readMetrics, readStatus: read, sources } = started;
  const stopPushing = metrics && pushMetrics(metrics, { read: readMetrics, log: createLog(logLevel) });
  const subject = {
    ...started,
    adminRoutes: [
      createMetricsRoute(readMetrics),
      ...createStatusRoutes({ product: product.version, sources, kind: 'gateway', read }),
    ],
    close: async () => {
      await started.close();
      // Includes what the workers recorded last.
      await stopPushing?.();
    },
  };
  return withAdminServer(subject, { admin, http, logLevel });
};

/** Runs the gateway's process: alone, as the primary process of a cluster, or as one of its workers. */
export const runGateway = (env: Env): Promise<void> => run(env, () => start(env));

const start = async (env: Env) => {
  if (cluster.isWorker) {
    const { url, sources, webhookUrls, health, metrics, report, close } = await startGateway(env);
    healthQuestion.answer(health);
    if (report) statusQuestion.answer(report);
    const sendLastMetrics = metrics && answerMetricsRequests(metrics);
    process.send?.({ url, sources, webhookUrls } satisfies Ready);
    return {
      close: async () => {
        await close();
        await sendLastMetrics?.();
      },
    };
  }
  // Not validated here: the process that starts the gateway reports all configuration errors at once.
  const workers = Number(env['CLUSTER_WORKERS']);
  const gateway = workers > 1 ? await startCluster(env, workers) : await startGateway(env);
  printBanner(gateway, readConfig(env, []));
  return gateway;
};
