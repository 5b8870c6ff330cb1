import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf } from '../helpers/imports.ts';
import { ROOT } from '../helpers/processes.ts';

/*
 * client → gateway → subgraph → connector → provider: imports go only along these arrows. Any folder but `clients` may
 * import `runtime`, and those of a request `telemetry`. Events come the other way, and `events` knows none of those on it.
 * Sandboxes stand in for providers and import nothing else.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  telemetry: ['runtime'],
  events: ['telemetry', 'runtime'],
  connectors: ['events', 'telemetry', 'runtime'],
  subgraphs: ['connectors', 'events', 'telemetry', 'runtime'],
  gateway: ['subgraphs', 'connectors', 'events', 'telemetry', 'runtime'],
  sandbox: ['runtime'],
  clients: [],
  scripts: ['gateway', 'subgraphs', 'connectors', 'events', 'telemetry', 'runtime'],
};

/** Allowed imports against the arrows, by the paths of both ends. */
const EXCEPTIONS: readonly (readonly [from: RegExp, to: RegExp])[] = [
  // A definition names its sandbox, which is loaded only where it is used.
  [/^subgraphs\/([\w-]+\/[\w-]+)\/definition\.ts$/, /^subgraphs\/[\w-]+\/[\w-]+\/sandbox\/index\.ts$/],
  // Sandboxes sign what they send. Vendors' own libraries verify it in tests.
  [/\/sandbox\/webhooks\.ts$/, /^events\/signatures\/[\w-]+\.ts$/],
  // The process that runs sandboxes finds them by the definitions.
  [/^sandbox\/process\.ts$/, /^(subgraphs\/index|connectors\/define-provider)\.ts$/],
];

// These import the subgraphs of a project that may be a copy, or is reloaded, or a module of the operator's.
const COMPUTED = new Set(['scripts/dev/reload.ts', 'scripts/generate/generate.ts', 'gateway/auth/policies.ts']);

// Packages that access the network, and the only folder that may import them.
const WIRE: Readonly<Record<string, string>> = {
  undici: 'connectors',
  soap: 'connectors',
  'node:http': 'sandbox',
  stripe: '',
};

/** All code, except for build output and packages. */
const sources = Object.keys(MAY_IMPORT).flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[cm]?[jt]sx?$/.test(file) && !/(^|\/)(dist|node_modules)\//.test(file))
    .map((file) => join(folder, file)),
);

const codeOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const imports = sources.flatMap((file) => importsOf(file, codeOf(file)).map((one) => ({ ...one, file })));

/** Imports of the project's own modules, by their paths from its root. */
const ownImports = imports.flatMap(({ file, name, isComputed }) =>
  isComputed || !/^[./]/.test(name) ? [] : [{ file, target: relative(ROOT, join(ROOT, dirname(file), name)) }],
);

const packageImports = imports.filter(({ name, isComputed }) => !isComputed && !/^[./]/.test(name));

/** A provider's sandbox is in the provider's folder, but counts as part of `sandbox`. */
const folderOf = (path: string): string =>
  /^subgraphs\/[\w-]+\/[\w-]+\/sandbox\//.test(path) ? 'sandbox' : (path.split('/')[0] ?? '');

test('imports go only in the direction of a query', () => {
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

test('there are no import cycles, types included', () => {
  // Generated types refer to the model of their subgraph, which uses the enums of the schema.
  let left = ownImports.filter(({ file }) => !file.endsWith('/generated.ts'));
  let before: number;
  do {
    before = left.length;
    // In a cycle, every file is imported, and every target imports another.
    const [files, targets] = [new Set(left.map(({ file }) => file)), new Set(left.map(({ target }) => target))];
    left = left.filter(({ file, target }) => targets.has(file) && files.has(target));
  } while (left.length < before);
  expect(left.map(({ file, target }) => `${file} -> ${target}`)).toEqual([]);
});

test('no import has a computed path', () => {
  const computed = imports.flatMap(({ file, name, isComputed }) =>
    isComputed && !COMPUTED.has(file) ? [`${file} -> ${name}`] : [],
  );
  expect(computed).toEqual([]);
});

test('no subgraph imports another', () => {
  const subgraphOf = (path: string): string | undefined => {
    const [, folder = ''] = /^subgraphs\/([\w-]+)\//.exec(path) ?? [];
    return existsSync(join(ROOT, 'subgraphs', folder, 'schema.graphql')) && folder ? folder : undefined;
  };
  const wrong = ownImports.flatMap(({ file, target }) => {
    const [from, to] = [subgraphOf(file), subgraphOf(target)];
    // Nor do the common files, except for the list of subgraphs.
    const isAllowed = to === undefined || from === to || (from === undefined && file === 'subgraphs/index.ts');
    return folderOf(file) !== 'subgraphs' || isAllowed ? [] : [`${file} -> ${target}`];
  });
  expect(wrong).toEqual([]);
});

test('only index.ts of a domain imports its vendor, and no vendor imports another', () => {
  const vendorOf = (path: string): string | undefined => /^subgraphs\/(?!kit\/)([\w-]+\/[\w-]+)\//.exec(path)?.[1];
  const wrong = ownImports.flatMap(({ file, target }) => {
    const [from, to] = [vendorOf(file), vendorOf(target)];
    const isAllowed = to === undefined || from === to || /^subgraphs\/[\w-]+\/index\.ts$/.test(file);
    return file.startsWith('subgraphs/') && !isAllowed ? [`${file} -> ${target}`] : [];
  });
  expect(wrong).toEqual([]);
});

test('connectors do not import GraphQL, and only they import network packages', () => {
  const wrong = packageImports.flatMap(({ file, name }) => {
    // Sandboxes may, because some providers speak GraphQL.
    if (
      /^(graphql|@apollo)(\/|$)/.test(name) &&
      ['connectors', 'events', 'telemetry', 'runtime'].includes(folderOf(file))
    ) {
      return [`${file} -> ${name}`];
    }
    const only = Object.entries(WIRE).find(([wire]) => name === wire || name.startsWith(`${wire}/`))?.[1];
    return only && folderOf(file) !== only ? [`${file} -> ${name}`] : [];
  });
  expect(wrong).toEqual([]);
});

test('only main.ts files read process.env', () => {
  const reading = sources.filter((file) => codeOf(file).includes('process.env'));
  expect(reading.sort()).toEqual([
    // Runs in other projects, with their own code generator.
    'clients/codegen.mjs',
    'gateway/main.ts',
    'sandbox/main.ts',
    'scripts/dev/main.ts',
    'scripts/events/main.ts',
    'scripts/keys/main.ts',
    'subgraphs/main.ts',
  ]);
  expect(packageImports.filter(({ name }) => /^(node:)?process$/.test(name))).toEqual([]);
});

test('no process loads OpenTelemetry at start', () => {
  // Neither types nor `import()`.
  const staticImports = (file: string): string[] =>
    [...codeOf(file).matchAll(/^(?:import (?!type )|export )(?:[^;']* from )?'([^']+)'/gm)].map(
      ([, name = '']) => name,
    );
  const loaded = new Set(['gateway/process.ts', 'subgraphs/process.ts', 'gateway/supergraph/bundled-graph.ts']);
  for (const file of loaded) {
    for (const name of staticImports(file)) {
      if (name.startsWith('.') && name.endsWith('.ts')) loaded.add(join(dirname(file), name));
    }
  }
  expect(loaded.size).toBeGreaterThan(250);
  const loading = (files: Iterable<string>) =>
    [...files].filter((file) => staticImports(file).some((name) => name.startsWith('@opentelemetry/')));
  expect(loading(loaded)).toEqual([]);
  expect(loading(sources)).not.toEqual([]);
});
