import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Kind, type Names, UsageError } from './names.ts';

const TEMPLATES = join(import.meta.dirname, 'templates');

/** The templates, each with the path of the created file, and its kind if not common to all. */
const FILES: readonly (readonly [template: string, file: string, kind?: Kind])[] = [
  ['common/schema.graphql', 'subgraphs/__name__/schema.graphql'],
  ['common/model.ts', 'subgraphs/__name__/model.ts'],
  ['common/resolvers.ts', 'subgraphs/__name__/resolvers.ts'],
  ['common/confine.ts', 'subgraphs/__name__/confine.ts'],
  ['common/index.ts', 'subgraphs/__name__/index.ts'],
  ['__kind__/definition.ts', 'subgraphs/__name__/__provider__/definition.ts'],
  ['__kind__/api.ts', 'subgraphs/__name__/__provider__/api.ts'],
  ['common/costs.ts', 'subgraphs/__name__/__provider__/costs.ts'],
  ['common/adapter.ts', 'subgraphs/__name__/__provider__/__name__.ts'],
  ['common/README.md', 'subgraphs/__name__/__provider__/README.md'],
  ['common/sandbox-records.ts', 'subgraphs/__name__/__provider__/sandbox/records.ts'],
  ['soap/sandbox-wsdl.ts', 'subgraphs/__name__/__provider__/sandbox/wsdl.ts', 'soap'],
  ['__kind__/sandbox.ts', 'subgraphs/__name__/__provider__/sandbox/index.ts'],
  ['common/contract.ts', 'test/contracts/__provider__.ts'],
  ['common/test.ts', 'test/subgraphs/__name__.test.ts'],
];

/** Placeholder values that depend on the kind. */
const KIND_WORDS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  rest: {
    ADDRESS: 'BASE_URL',
    readOperation: 'GET /v1/records',
    writeOperation: 'PUT /v1/records',
    failure: `broken: '{"records": [',
    missing: (body) => body.replaceAll('"state"', '"status"'),
    mistyped: (body) => body.replaceAll('"active"', '7'),`,
  },
  soap: {
    ADDRESS: 'WSDL_URL',
    readOperation: 'getRecords',
    writeOperation: 'setState',
    failure: `// The WSDL comes before.
    on: 'getRecords',
    broken: '<?xml version="1.0"?><soap:Envelope><soap:Body>',
    missing: (body) => body.replaceAll('state>', 'status>'),
    mistyped: (body) => body.replaceAll('<since>', '<since>long ago, '),`,
  },
  graphql: {
    ADDRESS: 'BASE_URL',
    readOperation: 'Records',
    writeOperation: 'SetState',
    failure: `broken: '{"data": {"records": [',
    missing: (body) => body.replaceAll('"state"', '"status"'),
    mistyped: (body) => body.replaceAll('"active"', '7'),`,
  },
};

/** Replaces placeholders such as `__name__`. */
export const fill = (text: string, names: Names): string => {
  const words = { ...names, port: String(names.port), ...KIND_WORDS[names.kind] };
  return Object.entries(words).reduce((filled, [word, value]) => filled.replaceAll(`__${word}__`, value), text);
};

const filesFor = (names: Names) => FILES.filter(([, , only]) => !only || only === names.kind);

/** Throws UsageError if a file to be written already exists. */
export const requireNoFiles = (root: string, names: Names): void => {
  for (const [, path] of filesFor(names)) {
    const file = fill(path, names);
    if (existsSync(join(root, file))) throw new UsageError(`${file} already exists. Nothing was written.`);
  }
};

/** Writes the files of a subgraph and returns their paths. */
export const writeTemplates = async (root: string, names: Names): Promise<string[]> => {
  const written: string[] = [];
  for (const [template, path] of filesFor(names)) {
    const text = await readFile(join(TEMPLATES, `${fill(template, names)}.txt`), 'utf8');
    const file = fill(path, names);
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), fill(text, names), { flag: 'wx' });
    written.push(file);
  }
  return written;
};
