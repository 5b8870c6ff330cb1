import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* README.md: its queries, and the files that it refers to. */

const run = promisify(execFile);
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());

/** Returns the first commands and the first JSON of a section. */
const exampleOf = (heading: string): { commands: string; response: string } => {
  const [, section = ''] = readme.split(`## ${heading}\n`);
  const [, commands = ''] = /```sh\n((?:\w+=.*\n)*curl [\s\S]*?)```/.exec(section) ?? [];
  const [, response = ''] = /```json\n([\s\S]*?)```/.exec(section) ?? [];
  return { commands, response };
};

test.each(['Quick start', 'See authorization work'])(
  '%s: the query returns the response that is shown',
  async (heading) => {
    const { commands, response } = exampleOf(heading);
    expect(commands).toContain('http://127.0.0.1:4000/graphql');
    stack.reset();
    const { stdout } = await run('sh', ['-c', commands.replaceAll('http://127.0.0.1:4000', stack.url)]);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(response));
    // The customer is in the CRM.
    expect(stack.hubspot.calls.length > 0).toBe(heading === 'Quick start');
  },
);

test('See a change arrive: the command makes the change', async () => {
  const { commands } = exampleOf('See a change arrive');
  const { stdout } = await run('sh', ['-c', commands.replaceAll('http://127.0.0.1:4000', stack.url)]);
  expect(JSON.parse(stdout)).toEqual({ data: { updateCustomer: { customer: { phone: '+46 70 123 45 67' } } } });
});

test('Know what an operation costs: the budget refuses the operation as shown', async () => {
  const [, section = ''] = readme.split('## Know what an operation costs\n');
  const [, plans = ''] = /echo '(.*)' > \/tmp\/plans.json/.exec(section) ?? [];
  const { commands, response } = exampleOf('Know what an operation costs');
  const file = join(mkdtempSync(join(tmpdir(), 'plans-')), 'plans.json');
  onTestFinished(() => rmSync(dirname(file), { recursive: true }));
  writeFileSync(file, plans);
  const gateway = await stack.startAnother({ PLANS: file });
  onTestFinished(gateway.close);
  const { stdout } = await run('sh', ['-c', commands.replaceAll('http://127.0.0.1:4000', gateway.url)]);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(response));
});

/** Every file and folder of the project. Folders end with a slash. */
const paths = [
  'bench',
  'clients',
  'connectors',
  'events',
  'deploy',
  'docs',
  'gateway',
  'runtime',
  'sandbox',
  'scripts',
  'subgraphs',
  'telemetry',
  'test',
]
  .flatMap((folder) => [
    `${folder}/`,
    ...readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter(({ parentPath }) => !/\/(node_modules|dist)(\/|$)/.test(parentPath))
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1) + (entry.isDirectory() ? '/' : '')),
  ])
  .map((path) => `/${path}`);

const EXAMPLE_OF: Readonly<Record<string, string>> = { '<domain>': 'inventory', '<vendor>': 'openmage' };

const exists = (path: string): boolean => {
  const example = path.replace(/<\w+>/g, (name) => EXAMPLE_OF[name] ?? name);
  return paths.some((one) => one.endsWith(`/${example}`));
};

test('the README’s tree matches the project’s folders', () => {
  const [, tree = ''] = /## Find your way\n\n([\s\S]*?)\n\n/.exec(readme) ?? [];
  let parent = '';
  const named = tree.split('\n').flatMap((line) => {
    const [, indent = '', name = ''] = /^ {4}( *)([\w<>/-]+\/)/.exec(line) ?? [];
    if (!indent) parent = name;
    return indent ? [parent + name] : [name];
  });
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => !exists(path))).toEqual([]);
  // Every folder with production code is in it.
  const folders = paths
    .map((path) => path.slice(1))
    .filter((path) => /^(gateway|connectors)\/[\w-]+\/$/.test(path) || path === 'subgraphs/kit/');
  expect(folders.filter((path) => !named.includes(path))).toEqual([]);
});

test('the files in the README’s table exist', () => {
  const [, table = ''] = /\| to change \| open \|\n\|---\|---\|\n([\s\S]*?)\n\n/.exec(readme) ?? [];
  const named = [...table.matchAll(/`([\w<>./-]+(?:\.\w+|\/))`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => path !== '.env.example' && !exists(path))).toEqual([]);
});
