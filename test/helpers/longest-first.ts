import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The slowest test files, since a fresh clone has no timings of earlier runs. */
const LONGEST = [
  'project/new-subgraph',
  'e2e/start',
  'fuzz/providers',
  'e2e/chaos',
  'connectors/conformance',
  'e2e/write-outcomes',
  'connectors/quota',
  'connectors/redis-values',
  'e2e/dev',
  'fuzz/redis',
  'gateway/execution/random',
  'e2e/odd-bodies',
  'gateway/sockets',
  'connectors/clock',
  'subgraphs/inventory-outcomes',
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
