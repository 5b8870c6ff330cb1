import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../kit/processes.ts';

/*
 * client → gateway → subgraph → connector → provider: imports go only along these arrows. `runtime` is what any process
 * stands on. The sandboxes stand at the end of the way and know nothing of it; only the starts of the embedded gateway
 * and of processes of subgraphs, which put the parts together, know them.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  connectors: ['runtime'],
  subgraphs: ['connectors', 'runtime'],
  gateway: ['subgraphs', 'connectors', 'runtime'],
  sandbox: ['runtime'],
  clients: [],
  scripts: ['gateway', 'subgraphs', 'runtime'],
};

const EXCEPTIONS = new Set(['gateway/product.ts -> sandbox', 'subgraphs/main.ts -> sandbox']);

// The packages that put something on a wire, and the folder that alone may.
const WIRE: Readonly<Record<string, string>> = {
  undici: 'connectors',
  soap: 'connectors',
  'node:http': 'sandbox',
  stripe: '',
};

const sources = Object.keys(MAY_IMPORT).flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file)),
);

const importsOf = (file: string): string[] =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/(?:from|import\() ?'([^']+)'/g)].map(([, name = '']) => name);

const folderOf = (path: string): string => path.split('/')[0] ?? '';

test('imports go only along the way of a query', () => {
  expect(sources.length).toBeGreaterThan(50);
  const wrong = sources.flatMap((file) =>
    importsOf(file).flatMap((name) => {
      if (!name.startsWith('.') || name.endsWith('/package.json')) return [];
      const target = relative(ROOT, join(ROOT, dirname(file), name));
      const [from, to] = [folderOf(file), folderOf(target)];
      const allowed = from === to || MAY_IMPORT[from]?.includes(to) || EXCEPTIONS.has(`${file} -> ${to}`);
      return allowed ? [] : [`${file} -> ${target}`];
    }),
  );
  expect(wrong).toEqual([]);
});

test('no subgraph knows another', () => {
  const wrong = sources.flatMap((file) => {
    const own = /^subgraphs\/(\w+)\//.exec(file)?.[1];
    return own
      ? importsOf(file)
          .filter((name) => /^\.\.\/[\w-]+\//.test(name))
          .map((name) => `${file} -> ${name}`)
      : [];
  });
  expect(wrong).toEqual([]);
});

test('the connectors know no GraphQL, and nothing else touches a provider’s wire', () => {
  const wrong = sources.flatMap((file) =>
    importsOf(file).flatMap((name) => {
      // A sandbox may: some providers speak it.
      if (/^(graphql|@apollo\/)/.test(name) && ['connectors', 'runtime'].includes(folderOf(file)))
        return [`${file} -> ${name}`];
      const only = WIRE[name];
      return only && folderOf(file) !== only ? [`${file} -> ${name}`] : [];
    }),
  );
  expect(wrong).toEqual([]);
});

test('only main.ts files read the environment of the process', () => {
  const reading = sources.filter((file) => readFileSync(join(ROOT, file), 'utf8').includes('process.env'));
  // The one that switches a package's telemetry off.
  expect(reading.sort()).toEqual([
    'gateway/apollo.ts',
    'gateway/main.ts',
    'sandbox/main.ts',
    'scripts/dev/main.ts',
    'subgraphs/main.ts',
  ]);
});
