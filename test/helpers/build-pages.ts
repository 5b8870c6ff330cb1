import { startProcess } from './processes.ts';

/** The pages are tested as the gateway serves them: built, and not in the way of the test runner's own environment. */
export const setup = async (): Promise<void> => {
  const { ended, output } = startProcess(['node', 'scripts/pages.ts', '--if-changed'], {});
  if ((await ended) !== 0) throw new Error(output());
};
