import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResult, renderDocs } from '../bench/gateway/docs.ts';

/*
 * `npm run bench:report`: renews `docs/performance.md` and its pictures from `docs/performance.json`. With `--check`, fails if a file
 * is out of date.
 */

const ROOT = join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');

const current = (file: string): string | undefined => {
  try {
    return readFileSync(join(ROOT, file), 'utf8');
  } catch {
    return undefined;
  }
};

for (const [file, text] of Object.entries(renderDocs(ROOT, readResult(ROOT)))) {
  if (current(file) === text) continue;
  if (isCheck) {
    console.error(`${file} is out of date. Run \`npm run bench:report\`.`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, file), text);
    console.log(`wrote ${file}`);
  }
}
