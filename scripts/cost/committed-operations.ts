import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DocumentError, type FoundOperation, findOperations, parseDocument } from './documents.ts';

/** An operation of an app. */
export type CommittedOperation = FoundOperation & {
  /** The app's folder and the operation's name: `web/CustomerList`. */
  readonly key: string;
  /** Example values from the file `variables.json` beside the operation. */
  readonly examples: Readonly<Record<string, unknown>>;
};

const Manifest = z.object({ operations: z.array(z.object({ body: z.string() })) });
const Examples = z.record(z.string(), z.record(z.string(), z.unknown()));

/**
 * Returns the operations of all apps below `clients/`, sorted by key: those in `.graphql` files, and those in the manifest of an
 * app that is built elsewhere, `clients/<app>/operations.json`. Throws DocumentError.
 */
export const readCommittedOperations = async (root: string): Promise<CommittedOperation[]> => {
  const apps = new Map<string, Map<string, string[]>>();
  const add = (file: string, texts: readonly string[]) => {
    const app = file.split('/')[1] ?? '';
    const files = apps.get(app) ?? new Map<string, string[]>();
    apps.set(app, files.set(file, [...texts]));
  };
  for (const file of await find(root, 'clients/*/src/**/*.graphql')) add(file, [await read(root, file)]);
  for (const file of await find(root, 'clients/*/operations.json')) {
    const { operations } = parseJson(Manifest, await read(root, file), file);
    add(
      file,
      operations.map(({ body }) => body),
    );
  }
  const found: CommittedOperation[] = [];
  for (const [app, files] of apps) {
    const documents = [...files].flatMap(([file, texts]) => texts.map((text) => parseDocument(text, file)));
    for (const operation of findOperations(documents)) {
      const { name, file } = operation;
      if (name === '') throw new DocumentError(`${file} has an operation without a name.`);
      found.push({ ...operation, key: `${app}/${name}`, examples: await readExamples(root, file, name) });
    }
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
};

const find = async (root: string, pattern: string): Promise<string[]> =>
  (await Array.fromAsync(glob(pattern, { cwd: root }))).sort();

const read = (root: string, file: string): Promise<string> => readFile(join(root, file), 'utf8');

const readExamples = async (root: string, file: string, name: string): Promise<CommittedOperation['examples']> => {
  const examples = join(dirname(file), 'variables.json');
  if (!existsSync(join(root, examples))) return {};
  return parseJson(Examples, await read(root, examples), examples)[name] ?? {};
};

const parseJson = <Schema extends z.ZodType>(schema: Schema, text: string, file: string): z.infer<Schema> => {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new DocumentError(`${file} does not have the expected format.`);
  }
};
