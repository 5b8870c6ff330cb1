import { buildPages } from './build-pages.ts';

// `npm run pages` builds the pages that the gateway serves; with `--if-changed` only those whose sources are newer.
const onlyChanged = process.argv.includes('--if-changed');
const areAllBuilt = await buildPages({ onlyChanged });
// `--if-changed` runs before a start, which does not need the pages.
if (!areAllBuilt && !onlyChanged) process.exitCode = 1;
