import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildSchema, concatAST, type DocumentNode, Kind, parse, print } from 'graphql';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { composeSupergraph } from '../../gateway/supergraph/compose.ts';
import { type BreakingChange, findBreakingChanges } from './breaking.ts';

const run = promisify(execFile);

const DECLARED = 'gateway/breaking-changes.yaml';

const Declared = z.array(z.object({ change: z.string(), why: z.string().min(1) })).nullable();

const Manifest = z.object({ operations: z.array(z.object({ body: z.string() })) });

export type SchemaCheck = {
  /** Undeclared breaking changes that break an operation. */
  readonly failing: readonly BreakingChange[];
  /** Breaking changes that are declared or break no operation. */
  readonly passing: readonly BreakingChange[];
  /** The number of checked operations. */
  readonly operations: number;
};

/**
 * Compares the composed schema of the subgraphs in `root` with the one committed at `base`, using the operations committed
 * there, which are already in use. Undefined if no schema was committed. Throws CompositionError.
 */
export const checkSchema = async (root: string, base: string): Promise<SchemaCheck | undefined> => {
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 })).stdout;
  const committed = await git('show', `${base}:gateway/schema.graphql`).catch(() => undefined);
  if (committed === undefined) return undefined;
  const { apiSdl } = await composeSupergraph(join(root, 'supergraph.yaml'));

  const files = (await git('ls-tree', '-r', '--name-only', base, 'clients/')).split('\n');
  const texts = (wanted: (file: string) => boolean) =>
    Promise.all(files.filter(wanted).map((file) => git('show', `${base}:${file}`)));
  const documents = await texts((file) => file.endsWith('.graphql'));
  // Apps that are built elsewhere have only manifests here.
  const manifests = await texts((file) => file.endsWith('/operations.json'));
  const bodies = manifests.flatMap((text) =>
    Manifest.parse(JSON.parse(text)).operations.map(({ body }) => parse(body)),
  );
  const all: DocumentNode[] = [concatAST(documents.map((text) => parse(text))), ...bodies];

  const changes = await findBreakingChanges(buildSchema(committed), buildSchema(apiSdl), all);
  const declared = await readDeclared(join(root, DECLARED));
  const isFine = ({ name, isUsed }: BreakingChange) => !isUsed || declared.has(name);
  return {
    failing: changes.filter((change) => !isFine(change)),
    passing: changes.filter(isFine),
    operations: new Set(all.flatMap(operationNames)).size,
  };
};

const readDeclared = async (file: string): Promise<ReadonlySet<string>> => {
  const text = await readFile(file, 'utf8').catch(() => '');
  return new Set(Declared.parse(parseYaml(text) ?? null)?.map(({ change }) => change));
};

const operationNames = ({ definitions }: DocumentNode): string[] =>
  definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? (definition.name?.value ?? print(definition)) : [],
  );

/** Formats the result of a check, and returns whether it fails. */
export const formatReport = (
  check: SchemaCheck | undefined,
  base: string,
): { readonly text: string; readonly fails: boolean } => {
  if (!check) return { text: `No schema was committed at ${base}: there is nothing to compare with.`, fails: false };
  const { failing, passing, operations } = check;
  const list = (changes: readonly BreakingChange[]) => changes.map(({ message }) => `  ${message}`).join('\n');
  const lines = [
    ...(passing.length > 0
      ? [`Breaking, but declared or used by none of ${operations} operations:\n${list(passing)}`]
      : []),
    ...(failing.length > 0
      ? [
          `These changes break operations that were committed at ${base}:\n${list(failing)}`,
          `Deprecate elements that are in use, and remove them when no app uses them. To break them anyway, declare the changes in ${DECLARED}:`,
          failing.map(({ name }) => `  - change: ${name}\n    why: …`).join('\n'),
        ]
      : [`The schema breaks none of the ${operations} operations that were committed at ${base}.`]),
  ];
  return { text: lines.join('\n'), fails: failing.length > 0 };
};
