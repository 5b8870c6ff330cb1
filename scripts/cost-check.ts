import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareCosts, formatChanges } from './cost/check.ts';
import { DocumentError } from './cost/documents.ts';
import { COSTS_FILE, estimateCommitted, readCosts, writeCosts } from './cost/operation-costs.ts';

/*
 * `npm run cost:check`: compares the provider calls of the apps' operations with those in `operations-cost.json`. With `--write`,
 * accepts the current ones.
 */

const ROOT = join(import.meta.dirname, '..');
const USAGE = 'Usage: npm run cost:check [-- --write]';

const readArguments = (): { readonly write: boolean } => {
  try {
    return parseArgs({ options: { write: { type: 'boolean', default: false } } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
};

const { write: isWritten } = readArguments();
try {
  const current = await estimateCommitted(ROOT);
  // A file that cannot be read is replaced.
  const committed = await readCosts(ROOT).catch((error: unknown) => {
    if (isWritten && error instanceof DocumentError) return new Map();
    throw error;
  });
  const changes = compareCosts(committed, current);
  const text = formatChanges(changes);
  if (text === '') console.log(`The ${current.size} operations cost what ${COSTS_FILE} says.`);
  else if (isWritten) {
    await writeCosts(ROOT, current);
    console.log(`${text}\nwrote ${COSTS_FILE}`);
  } else {
    const advice =
      changes.grown.length > 0
        ? 'Reduce the calls, or accept them'
        : 'No worst case grew, but the file must be true. Accept the figures';
    console.error(`${text}\n${advice} with \`npm run cost:check -- --write\`, and commit the file.`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof DocumentError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
