import { buildPages } from '../../scripts/build-pages.ts';

/** The pages are tested as the gateway serves them: built. */
export const setup = (): Promise<void> => buildPages({ onlyChanged: true });
