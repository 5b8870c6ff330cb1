import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The slowest test files, since a fresh clone has no timings of earlier runs. */
const LONGEST = [
  'project/new-subgraph',
  'fuzz/providers',
  'events/kill',
  'deploy/monitoring',
  'clients/desk/reading',
  'clients/desk/live',
  'clients/explorer',
  'fuzz/subgraph',
  'events/poller',
  'e2e/write-outcomes',
  'connectors/conformance',
  'telemetry/traces',
  'gateway/execution/random-defer',
  'gateway/execution/random',
  'gateway/sockets',
  'e2e/start',
  'e2e/dev',
  'connectors/quota',
  'telemetry/bounds',
  'connectors/redis-values',
  'gateway/cost/at-most',
  'subscriptions/remote',
  'subscriptions/hostile',
  'e2e/failures',
  'clients/status',
  'clients/explorer-subscription',
  'clients/explorer-estimate',
  'clients/desk/finding',
  'clients/desk/sign-in',
  'fuzz/client',
  'fuzz/redis',
  'e2e/chaos',
  'gateway/remote-subgraph',
  'gateway/auth/random',
  'connectors/redis',
  'connectors/clock',
  'gateway/redis-tls',
  'gateway/operations',
  'gateway/safelist',
  'gateway/readiness',
  'telemetry/request-log',
  'project/explain',
  'e2e/crawl',
  'subgraphs/inventory-skus',
  'subgraphs/inventory-outcomes',
  'gateway/subgraph-errors',
  'e2e/scopes',
  'gateway/cost/expected',
  'project/cost-check',
  'project/schema-check',
  'e2e/odd-bodies',
  'subscriptions/split',
  'connectors/soap',
  'connectors/costs',
];

/** Starts the slowest test files first, so that none of them runs alone at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
