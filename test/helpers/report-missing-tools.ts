import { TOOLS } from './tools.ts';

/** Says before the tests which of them will be skipped for want of a program. */
export const setup = (): void => {
  for (const [name, isThere] of Object.entries(TOOLS)) {
    if (!isThere()) console.warn(`${name} cannot run here: the tests that need it are skipped.`);
  }
};
