import { TOOLS } from './tools.ts';

/** Warns before the tests about missing programs, whose tests are skipped. */
export const setup = (): void => {
  for (const [name, isThere] of Object.entries(TOOLS)) {
    if (!isThere()) console.warn(`${name} cannot run here: the tests that need it are skipped.`);
  }
};
