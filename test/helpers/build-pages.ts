import { startProcess } from './processes.ts';

/** Builds the pages, as the gateway serves them. In another process, away from the test runner's environment. */
export const setup = async (): Promise<void> => {
  const { ended, output } = startProcess(['node', 'scripts/pages.ts', '--if-changed'], {});
  if ((await ended) !== 0) throw new Error(output());
};
