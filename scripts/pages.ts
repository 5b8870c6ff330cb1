import { buildPages } from './build-pages.ts';

// `npm run pages` builds the pages that the gateway serves; with `--if-changed` those whose files are newer than they.
await buildPages({ onlyChanged: process.argv.includes('--if-changed') });
