import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The slowest test files, since a fresh clone has no timings of earlier runs. */
const LONGEST = [
  'project/new-subgraph',
  'fuzz/providers',
  'e2e/start',
  'e2e/dev',
  'e2e/write-outcomes',
  'connectors/conformance',
  'deploy/monitoring',
  'clients/explorer',
  'clients/desk/reading',
  'fuzz/subgraph',
  'gateway/execution/random',
  'gateway/cost/expected',
  'telemetry/request-log',
  'gateway/redis-tls',
  'gateway/operations',
  'e2e/chaos',
  'project/explain',
  'connectors/clock',
  'connectors/redis-values',
  'connectors/quota',
  'telemetry/traces',
  'e2e/crawl',
  'project/schema-check',
  'e2e/odd-bodies',
  'subgraphs/inventory-outcomes',
  'e2e/failures',
  'gateway/audit-chain',
  'events/kill',
  'project/cost-check',
  'gateway/auth/random',
  'clients/explorer-estimate',
  'clients/desk/finding',
  'gateway/sockets',
  'clients/status',
  'fuzz/client',
  'fuzz/redis',
  'clients/desk/sign-in',
  'clients/typed-hooks',
  'connectors/redis',
  'connectors/soap',
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
