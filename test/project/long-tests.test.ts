import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../helpers/processes.ts';

/* The commands that run the tests leave none out, and the guide names what is long. */

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

test('npm test and npm run test:long have opposite filters, and test:all has none', () => {
  const { test: short, 'test:long': long, 'test:all': all } = scripts;
  expect([short, long, all]).toEqual([`${all} --tags-filter=!long`, `${all} --tags-filter=long`, 'vitest run']);
});

test('npm run check runs all tests, and CI those that npm test leaves out', () => {
  // With arguments of `npm run check`, if there are any.
  expect(scripts['check']).toMatch(/ && npm run test:all --$/);
  const commands = read('.ci/run').split('\n');
  const isInOrder = commands.indexOf('npm test') < commands.indexOf('SEEDS=2000 npm run check -- --tags-filter=long');
  expect([commands.includes('npm test'), isInOrder]).toEqual([true, true]);
});

test('CONTRIBUTING.md names the files that are long as a whole', () => {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `test/${file}`);
  const long = files.filter((file) => read(file).startsWith('// @module-tag long\n'));
  const [, named = ''] = /A file that is long as a whole([\s\S]*?)\n\n/.exec(read('CONTRIBUTING.md')) ?? [];
  expect([...named.matchAll(/`(test\/\S+)`/g)].map(([, file]) => file).sort()).toEqual(long.sort());
  expect(long.length).toBeGreaterThan(0);
});
