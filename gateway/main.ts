import { run } from '../runtime/lifecycle.ts';
import { startGateway } from './start.ts';

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

await run(async () => {
  const gateway = await startGateway(process.env);
  const lines = [
    `Tributary answers at ${gateway.url}/graphql`,
    ...(gateway.config.isProduction ? [] : [`Sandbox, to explore the graph: ${gateway.url}/`]),
    ...Object.entries(gateway.sources).map(([name, source]) => `  ${name.padEnd(10)} from ${SOURCES[source]}`),
    ...(gateway.config.supergraphFile ? [] : [`\nA query to start with, from all three:\n\n${EXAMPLE}\n`]),
  ];
  console.log(lines.join('\n'));
  return gateway;
});
