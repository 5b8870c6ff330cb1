import { join } from 'node:path';
import { readResult, writeDocs } from './docs.ts';
import { assess } from './goals.ts';

/* `npm run bench:report`: renews `docs/performance.md`, its pictures, and the goals, from the rounds in `docs/performance.json`. */

const ROOT = join(import.meta.dirname, '../..');
const result = readResult(ROOT);
writeDocs(ROOT, { ...result, goals: assess(result.rows) });
