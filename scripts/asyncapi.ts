import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { subgraphs } from '../subgraphs/index.ts';
import { createAsyncApi } from './asyncapi/document.ts';

// `npm run asyncapi` writes the document of the events; with `--check` it only checks whether the committed one is up to date.
const FILE = 'docs/asyncapi.json';
const path = join(import.meta.dirname, '..', FILE);
const text = `${JSON.stringify(createAsyncApi(subgraphs), null, 2)}\n`;
const check = process.argv.includes('--check');
const read = (): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
if (read() !== text) {
  console.log(`${check ? 'out of date' : 'wrote'}: ${FILE}`);
  if (check) process.exitCode = 1;
  else writeFileSync(path, text);
}
