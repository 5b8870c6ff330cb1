import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf } from '../helpers/imports.ts';
import { ROOT } from '../helpers/processes.ts';

/*
 * client → gateway → subgraph → connector → provider: imports go only along these arrows. `runtime` is what any process
 * stands on. The sandboxes stand at the end of the way and know nothing of it.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  connectors: ['runtime'],
  subgraphs: ['connectors', 'runtime'],
  gateway: ['subgraphs', 'connectors', 'runtime'],
  sandbox: ['runtime'],
  clients: [],
  scripts: ['gateway', 'subgraphs', 'connectors', 'runtime'],
};

/** Imports against the arrows, by the paths of both ends. */
const EXCEPTIONS: readonly (readonly [from: RegExp, to: RegExp])[] = [
  // A definition names its sandbox, which is loaded only where it is used.
  [/^subgraphs\/([\w-]+\/[\w-]+)\/definition\.ts$/, /^subgraphs\/[\w-]+\/[\w-]+\/sandbox\/index\.ts$/],
  // The process that runs sandboxes finds them by the definitions.
  [/^sandbox\/main\.ts$/, /^(subgraphs\/index|connectors\/define-provider)\.ts$/],
];

// They import the subgraphs of a project that may be a copy, or that are loaded again.
const COMPUTED = new Set(['scripts/dev/reload.ts', 'scripts/generate/generate.ts']);

// The packages that put something on a wire, and the folder that alone may.
const WIRE: Readonly<Record<string, string>> = {
  undici: 'connectors',
  soap: 'connectors',
  'node:http': 'sandbox',
  stripe: '',
};

/** All code but what is built or installed. */
const sources = Object.keys(MAY_IMPORT).flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[cm]?[jt]sx?$/.test(file) && !/(^|\/)(dist|node_modules)\//.test(file))
    .map((file) => join(folder, file)),
);

const codeOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const imports = sources.flatMap((file) => importsOf(file, codeOf(file)).map((one) => ({ ...one, file })));

/** The project's own modules that are imported, by their paths from its root. */
const ownImports = imports.flatMap(({ file, name, isComputed }) =>
  isComputed || !/^[./]/.test(name) ? [] : [{ file, target: relative(ROOT, join(ROOT, dirname(file), name)) }],
);

const packageImports = imports.filter(({ name, isComputed }) => !isComputed && !/^[./]/.test(name));

/** A provider's sandbox stands in the folder of its provider, and belongs to the sandboxes. */
const folderOf = (path: string): string =>
  /^subgraphs\/[\w-]+\/[\w-]+\/sandbox\//.test(path) ? 'sandbox' : (path.split('/')[0] ?? '');

test('imports go only along the way of a query', () => {
  expect(sources.length).toBeGreaterThan(250);
  expect(ownImports.length).toBeGreaterThan(800);
  const wrong = ownImports.flatMap(({ file, target }) => {
    const [from, to] = [folderOf(file), folderOf(target)];
    const isAllowed =
      from === to ||
      MAY_IMPORT[from]?.includes(to) ||
      EXCEPTIONS.some(([one, other]) => one.test(file) && other.test(target)) ||
      target === 'package.json';
    return isAllowed ? [] : [`${file} -> ${target}`];
  });
  expect(wrong).toEqual([]);
});

test('every import can be told from the source', () => {
  const computed = imports.flatMap(({ file, name, isComputed }) =>
    isComputed && !COMPUTED.has(file) ? [`${file} -> ${name}`] : [],
  );
  expect(computed).toEqual([]);
});

test('no subgraph knows another', () => {
  const subgraphOf = (path: string): string | undefined => {
    const [, folder = ''] = /^subgraphs\/([\w-]+)\//.exec(path) ?? [];
    return existsSync(join(ROOT, 'subgraphs', folder, 'schema.graphql')) && folder ? folder : undefined;
  };
  const wrong = ownImports.flatMap(({ file, target }) => {
    const [from, to] = [subgraphOf(file), subgraphOf(target)];
    // Nor do the subgraphs' common files know any of them, but for the list.
    const isAllowed = to === undefined || from === to || (from === undefined && file === 'subgraphs/index.ts');
    return folderOf(file) !== 'subgraphs' || isAllowed ? [] : [`${file} -> ${target}`];
  });
  expect(wrong).toEqual([]);
});

test('a domain names its vendor in its index.ts alone, and no vendor knows another', () => {
  const vendorOf = (path: string): string | undefined => /^subgraphs\/(?!kit\/)([\w-]+\/[\w-]+)\//.exec(path)?.[1];
  const wrong = ownImports.flatMap(({ file, target }) => {
    const [from, to] = [vendorOf(file), vendorOf(target)];
    const isAllowed = to === undefined || from === to || /^subgraphs\/[\w-]+\/index\.ts$/.test(file);
    return file.startsWith('subgraphs/') && !isAllowed ? [`${file} -> ${target}`] : [];
  });
  expect(wrong).toEqual([]);
});

test('the connectors know no GraphQL, and nothing else touches a provider’s wire', () => {
  const wrong = packageImports.flatMap(({ file, name }) => {
    // A sandbox may: some providers speak it.
    if (/^(graphql|@apollo)(\/|$)/.test(name) && ['connectors', 'runtime'].includes(folderOf(file))) {
      return [`${file} -> ${name}`];
    }
    const only = Object.entries(WIRE).find(([wire]) => name === wire || name.startsWith(`${wire}/`))?.[1];
    return only && folderOf(file) !== only ? [`${file} -> ${name}`] : [];
  });
  expect(wrong).toEqual([]);
});

test('only main.ts files read the environment of the process', () => {
  const reading = sources.filter((file) => codeOf(file).includes('process.env'));
  expect(reading.sort()).toEqual([
    // The configuration that other projects run by their own codegen.
    'clients/codegen.mjs',
    // The one that switches a package's telemetry off.
    'gateway/http/apollo.ts',
    'gateway/main.ts',
    'sandbox/main.ts',
    'scripts/dev/main.ts',
    'scripts/keys/main.ts',
    'subgraphs/main.ts',
  ]);
  expect(packageImports.filter(({ name }) => /^(node:)?process$/.test(name))).toEqual([]);
});
