import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The slowest test files, since a fresh clone has no timings of earlier runs. */
const LONGEST = [
  'project/new-subgraph',
  'e2e/start',
  'fuzz/providers',
  'deploy/monitoring',
  'clients/desk/reading',
  'clients/explorer',
  'connectors/conformance',
  'e2e/write-outcomes',
  'e2e/chaos',
  'e2e/odd-bodies',
  'project/schema-check',
  'clients/typed-hooks',
  'connectors/quota',
  'connectors/redis',
  'connectors/redis-values',
  'e2e/failures',
  'e2e/crawl',
  'gateway/safelist',
  'e2e/dev',
  'project/production',
  'fuzz/subgraph',
  'gateway/operations',
  'e2e/report',
  'gateway/execution/random',
  'gateway/sockets',
  'connectors/clock',
  'subgraphs/inventory-outcomes',
  'clients/desk/finding',
  'fuzz/client',
  'connectors/costs',
  'fuzz/redis',
  'clients/desk/writing',
  'gateway/remote-subgraph',
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
