import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest. In a fresh clone there are no figures from a run before. */
const LONGEST = [
  'e2e/start',
  'project/new-subgraph',
  'fuzz/providers',
  'e2e/storm',
  'e2e/write-outcomes',
  'connectors/conformance',
  'gateway/execution/random',
  'connectors/quota',
];

/** Starts the files that take longest first, so that none of them runs alone in the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
