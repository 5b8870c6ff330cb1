import { expect, test } from 'vitest';
import { importsOf } from '../helpers/imports.ts';

/* The import parser of the architecture tests. */

const told = (name: string) => [{ name, isComputed: false }];

test.each([
  ["import { a } from './x.ts';"],
  ["import a from './x.ts';"],
  ["import * as a from './x.ts';"],
  ["import './x.ts';"],
  ['import "./x.ts"'],
  ["import {\n  a,\n  type B,\n}\nfrom\n'./x.ts';"],
  ["import type { A } from './x.ts';"],
  ["import { type A } from './x.ts';"],
  ["import a from './x.ts' with { type: 'json' };"],
  ["import a = require('./x.ts');"],
  ["import type A = require('./x.ts');"],
  ["export { a } from './x.ts';"],
  ["export type { A } from './x.ts';"],
  ["export * from './x.ts';"],
  ["export * as a from './x.ts';"],
  ["export {} from './x.ts';"],
  ["const a = await import('./x.ts');"],
  ['const a = () => import(`./x.ts`);'],
  ["const a = await import( /* why */ './x.ts', { with: { type: 'json' } });"],
  ["type A = import('./x.ts').A;"],
  ["let a: typeof import('./x.ts');"],
  ["declare module './x.ts' { interface A { b: string } }"],
  ["const a = require('./x.ts');"],
  ["const a = require.resolve('./x.ts');"],
  ["const a = import.meta.resolve('./x.ts');"],
  ["const a = new Worker(new URL('./x.ts', import.meta.url));"],
  ["const a = new Worker(join(import.meta.dirname, 'x.ts'));"],
  ["const a = resolve(import.meta.dirname, './x.ts');"],
])('given %s, then the module is found', (code) => {
  expect(importsOf('a.ts', code)).toEqual(told('./x.ts'));
});

test.each([
  ["const a = join(import.meta.dirname, '../b', 'x.mjs');", '../b/x.mjs'],
  ["import { a } from 'graphql';", 'graphql'],
  ["import 'node:fs';", 'node:fs'],
])('given %s, then %s is found', (code, name) => {
  expect(importsOf('a.ts', code)).toEqual(told(name));
});

test('given JSX and several imports, then all are found', () => {
  const code =
    "import './a.css'; export const A = () => <p title=\"from './no.ts'\">{lazy(() => import('./b.tsx'))}</p>;";
  expect(importsOf('a.tsx', code)).toEqual([...told('./a.css'), ...told('./b.tsx')]);
});

test.each([
  ["// import './x.ts';"],
  ["/** @see import('./x.ts') */ const a = 1;"],
  ['const a = "import \'./x.ts\';";'],
  ["const a = `from './x.ts'`;"],
  ["const from = (x: string) => x; from('./x.ts');"],
  ["const a = new URL('./x.ts', 'http://a.example');"],
  ["const a = join(import.meta.dirname, 'schema.graphql');"],
  ['declare module global { interface A { b: string } }'],
])('given %s, then no import is found', (code) => {
  expect(importsOf('a.ts', code)).toEqual([]);
});

test.each([
  // biome-ignore lint/suspicious/noTemplateCurlyInString: source code
  ['const a = await import(`./${b}.ts`);', '`./${b}.ts`'],
  ['const a = require(name);', 'name'],
  ["const a = new URL('./' + name, import.meta.url);", "'./' + name"],
])('given %s, then the import is reported as computed', (code, name) => {
  expect(importsOf('a.ts', code)).toEqual([{ name, isComputed: true }]);
});

test('given a file that cannot be parsed, then it throws', () => {
  expect(() => importsOf('a.ts', 'import { from;')).toThrow('a.ts');
});
