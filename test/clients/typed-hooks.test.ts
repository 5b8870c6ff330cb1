import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build, preview } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBrowser } from '../helpers/browser.ts';
import { ROOT } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* An empty React project that follows docs/clients.md, with its commands and files. */

const run = promisify(execFile);
const guide = readFileSync(join(ROOT, 'docs/clients.md'), 'utf8');
const BIN = join(ROOT, 'node_modules/.bin');

let stack: Stack;
let project: string;
beforeAll(async () => {
  stack = await startStack();
  project = mkdtempSync(join(tmpdir(), 'project-'));
  // In place of `npm install`, which needs a network.
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'));
  write('package.json', JSON.stringify({ name: 'project', private: true }));
  write('index.html', '<div id="root"></div><script type="module" src="/src/main.tsx"></script>');
});
afterAll(async () => {
  rmSync(project, { recursive: true });
  await stack.close();
});

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
};

/** The commands of the guide's first block. */
const [install = '', fetchConfig = '', generate = ''] = /```sh\n([\s\S]*?)```/.exec(guide)?.[1]?.split('\n') ?? [];

/** The files that the guide shows, each named before its block. */
const files = [...guide.matchAll(/`(src\/[\w/.]+)`:\n\n```\w+\n([\s\S]*?)```/g)].map(([, path = '', text = '']) => ({
  path,
  text,
}));

const shell = (command: string) =>
  run('sh', ['-c', command], { cwd: project, env: { PATH: `${BIN}:${process.env['PATH']}` } });

beforeAll(async () => {
  for (const { path, text } of files) write(path, text);
  await shell(fetchConfig.replace('http://127.0.0.1:4000', stack.url));
  await shell(generate);
});

const checkTypes = async (): Promise<string> => {
  // As in current project templates.
  const options = ['--noEmit', '--strict', '--jsx', 'react-jsx', '--target', 'es2022', '--module', 'esnext'];
  const more = ['--moduleResolution', 'bundler', '--verbatimModuleSyntax', '--noUnusedLocals', '--skipLibCheck'];
  return run(join(BIN, 'tsc'), [...options, ...more, '--types', 'node', 'src/main.tsx'], { cwd: project }).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  );
};

test('the guide’s commands and files produce a typed hook', { tags: ['long'] }, async () => {
  expect(files.map(({ path }) => path)).toEqual(['src/Customer.graphql', 'src/Customer.tsx', 'src/main.tsx']);
  expect(readFileSync(join(project, 'src/generated/hooks.ts'), 'utf8')).toContain('export const useWhoIsThisQuery');
  expect(await checkTypes()).toBe('');
});

test('the same commands turn the README’s query into a typed hook', { tags: ['long'] }, async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  expect(readme).toContain(`${install}\n${fetchConfig}\n${generate}\n`);
  const [, path = '', text = ''] = /`(src\/[\w.]+)`:\n\n```graphql\n([\s\S]*?)```/.exec(readme) ?? [];
  const { data, errors } = await stack.ask(text);
  expect(errors).toBeUndefined();
  expect(JSON.stringify(data)).toContain('"inStock":');
  write(path, text);
  await shell(generate);
  expect(readFileSync(join(project, 'src/generated/hooks.ts'), 'utf8')).toContain('export const useFirstCustomerQuery');
  expect(await checkTypes()).toBe('');
});

test('every package that the guide installs is in this repository’s package.json', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const named = install
    .match(/@?[a-z][\w-]*\/?[\w-]*(?= |$)/g)
    ?.filter((word) => !['npm', 'install', 'save-dev'].includes(word));
  expect(named?.length).toBe(7);
  // So the guide is tested with the versions in this repository.
  for (const name of named ?? []) expect({ ...dependencies, ...devDependencies }).toHaveProperty([name]);
});

test.each([
  [
    'a field that was not selected',
    'firstName, lastName, company',
    'firstName, lastName, phone, company',
    /'phone' does not exist/,
  ],
  [
    'a variable of another type',
    'variables: { email }',
    'variables: { email: 1 }',
    /'number' is not assignable to type 'string'/,
  ],
  ['a missing variable', 'variables: { email }', 'variables: {}', /'email' is missing/],
  [
    'arithmetic with a decimal',
    "balance?.amount ?? 'nothing'",
    '(balance?.amount ?? 1) * 2',
    /left-hand side of an arithmetic/,
  ],
])('%s does not compile', { tags: ['long'] }, async (_, right, wrong, message) => {
  const [, component] = files;
  expect(component?.text).toContain(right);
  write('src/Customer.tsx', component?.text.replace(right, wrong) ?? '');
  expect(await checkTypes()).toMatch(message);
  write('src/Customer.tsx', component?.text ?? '');
});

test.skipIf(!hasTool('chromium'))('the project’s page shows the customer', { tags: ['long'] }, async () => {
  await build({ root: project, logLevel: 'silent' });
  const server = await preview({
    root: project,
    logLevel: 'silent',
    preview: { port: 0, host: '127.0.0.1', proxy: { '/graphql': stack.url } },
  });
  const browser = await startBrowser();
  const { page, complaints } = await browser.open(server.resolvedUrls?.local[0] ?? '');
  await page.getByText('Ada Lindqvist of Uppsala Joinery, owes 48.00 SEK').waitFor();
  // The favicon, which browsers request automatically.
  expect(complaints.filter((one) => !one.includes('404'))).toEqual([]);
  await browser.close();
  await server.close();
});

test('the manifest equals the one that Apollo’s own tool writes', { tags: ['long'] }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'manifest-'));
  cpSync(join(ROOT, 'clients/web/src'), join(folder, 'src'), { recursive: true });
  cpSync(join(ROOT, 'clients/codegen.mjs'), join(folder, 'codegen.mjs'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const env = { PATH: process.env['PATH'] ?? '', GRAPHQL_URL: join(ROOT, 'gateway/schema.graphql') };
  await run(join(BIN, 'graphql-codegen'), ['--config', 'codegen.mjs'], { cwd: folder, env });
  const config = { documents: ['src/**/*.graphql'], output: 'official.json' };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  await run(join(BIN, 'generate-persisted-query-manifest'), ['--config', 'config.json'], { cwd: folder });
  const official = JSON.parse(readFileSync(join(folder, 'official.json'), 'utf8'));
  const own = JSON.parse(readFileSync(join(folder, 'src/generated/operations.json'), 'utf8'));
  expect(own).toEqual(official);
  rmSync(folder, { recursive: true });
});
