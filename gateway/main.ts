import cluster from 'node:cluster';
import { enableCompileCache } from 'node:module';
import { run } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { type GatewayConfig, readConfig } from './config.ts';
import { startGateway } from './start.ts';
import { type Ready, startWorkers } from './workers.ts';

// What is loaded from here on is kept compiled, in the system's folder for temporary files, for the next start.
enableCompileCache();

const SOURCES = {
  provider: 'its provider, for real',
  sandbox: "its provider's sandbox, with sample data",
  remote: 'a process of its own',
} as const;

const EXAMPLE = `{
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

const greet = ({ url, sources }: Ready, { explorer, desk, supergraphFile }: GatewayConfig): void => {
  const lines = [
    `Tributary answers at ${url}/graphql`,
    ...(desk ? [`A page to look at:        ${url}/desk`] : []),
    ...(explorer ? [`Explore the graph:        ${url}/graphiql, or in Apollo Sandbox: ${url}/`] : []),
    ...Object.entries(sources).map(([name, source]) => `  ${name.padEnd(10)} from ${SOURCES[source]}`),
    ...(supergraphFile ? [] : [`\nA query to start with, from all three:\n\n${EXAMPLE}\n`]),
  ];
  console.log(lines.join('\n'));
};

await run(process.env, async () => {
  if (cluster.isWorker) {
    const { url, sources, close } = await startGateway(process.env);
    process.send?.({ url, sources } satisfies Ready);
    return { close };
  }
  // Read no further here: who starts the gateway, this process or the first worker, names all that cannot be used at once.
  const workers = Number(process.env['CLUSTER_WORKERS']);
  const gateway =
    workers > 1
      ? await startWorkers(workers, () => createLog(readConfig(process.env, []).logLevel))
      : await startGateway(process.env);
  greet(gateway, readConfig(process.env, []));
  return gateway;
});
