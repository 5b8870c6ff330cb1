import { buildPages } from './build-pages.ts';

// `npm run pages` builds the pages that the gateway serves; with `--if-changed` those whose files are newer than they.
const onlyChanged = process.argv.includes('--if-changed');
const areAllBuilt = await buildPages({ onlyChanged });
// The graph that is started next can do without its pages.
if (!areAllBuilt && !onlyChanged) process.exitCode = 1;
