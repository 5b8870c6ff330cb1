import { settingsOf } from '../../connectors/settings.ts';
import type { SubgraphModule } from '../../subgraphs/kit/subgraph.ts';

/* Generates the parts of `docker-compose.yml`, `supergraph.yaml` and `prometheus.yml` about the subgraphs. */

/** Returns the port of a sandbox's container. */
const sandboxPortOf = ({ port }: SubgraphModule): number => port + 10;

/** Returns a sandbox's service name. A provider can have the name of its subgraph, which is already a service. */
const sandboxHostOf = ({ name, provider }: SubgraphModule): string =>
  provider.name === name ? `${name}-sandbox` : provider.name;

const check = (path: string): string => `    healthcheck:
      <<: *healthcheck
      test: ["CMD", "node", "scripts/healthcheck.ts", "${path}"]`;

const subgraphService = (module: SubgraphModule): string => {
  const { name, port, provider } = module;
  const sandbox = provider.sandbox
    ? `      SANDBOX_URLS: ${provider.name}=http://${sandboxHostOf(module)}:${sandboxPortOf(module)}\n`
    : '';
  const variables = Object.keys(settingsOf(provider)).map((variable) => `      ${variable}:`);
  return `  ${name}:
    <<: *node
    command: ["node", "subgraphs/main.ts"]
    environment:
      <<: *subgraph
      SUBGRAPHS: ${name}
      PORT: "${port}"
${sandbox}${variables.join('\n')}
    depends_on: *redis
${check(`http://127.0.0.1:${port}/health/ready`)}`;
};

const sandboxService = (module: SubgraphModule): string => {
  const port = sandboxPortOf(module);
  return `  ${sandboxHostOf(module)}:
    <<: *node
    command: ["node", "sandbox/main.ts"]
    environment: { SANDBOXES: ${module.provider.name}, PORT: "${port}", HOST: 0.0.0.0, SANDBOX_CONTROL: }
${check(`http://127.0.0.1:${port}/_sandbox/health`)}`;
};

/** Generates the services of the subgraphs and their sandboxes. */
export const services = (subgraphs: readonly SubgraphModule[]): string =>
  [...subgraphs.map(subgraphService), ...subgraphs.filter(({ provider }) => provider.sandbox).map(sandboxService)].join(
    '\n\n',
  );

/** Generates the gateway's subgraph URLs. */
export const gatewayUrls = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs.map(({ name, port }) => `      ${name.toUpperCase()}_URL: http://${name}:${port}/${name}`).join('\n');

/** Generates the services that the gateway depends on. */
export const gatewayDependencies = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs.map(({ name }) => `      ${name}: { condition: service_healthy }`).join('\n');

/** Generates the subgraphs in `supergraph.yaml`. */
export const supergraphEntries = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs
    .map(
      ({ name, port }) => `  ${name}:
    routing_url: http://${name}:${port}/${name}
    schema:
      file: ./subgraphs/${name}/schema.graphql`,
    )
    .join('\n');

/** Generates the services that Prometheus discovers. */
export const monitoredServices = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs.map(({ name }) => `          - ${name}`).join('\n');
