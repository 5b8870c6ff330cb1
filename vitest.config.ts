import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/helpers/longest-first.ts';

// Each process of the tests loads the whole product. This is the folder of the gateway's own.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    tags: [
      {
        name: 'long',
        description:
          'Tests that `npm test` leaves out for their processor time: browsers, clusters, compilers, other programs, many repetitions.',
      },
    ],
    setupFiles: ['test/helpers/require-clock-reset.ts'],
    globalSetup: ['test/helpers/report-missing-tools.ts', 'test/helpers/build-pages.ts'],
    // Generous, as a machine with other work takes its time; nothing waits this long where all is well.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    // Tests wait for two thirds of their time. The product is loaded once for each of these processes and not for each file:
    // a file leaves nothing behind, no clock that is set and no server that listens.
    maxWorkers: Math.min(3 * availableParallelism(), 8),
    isolate: false,
    // A ninth less processor time.
    execArgv: ['--max-semi-space-size=32'],
    sequence: { sequencer: LongestFirst },
    // Node runs the sources as they are, in the tests as in production. Vite's own module loader would also give them
    // another copy of `graphql` than the packages that are loaded by Node.
    experimental: { viteModuleRunner: false },
  },
});
