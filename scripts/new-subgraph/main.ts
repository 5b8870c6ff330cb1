import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { KINDS, readNames, UsageError } from './names.ts';
import { requireNoFiles, writeTemplates } from './templates.ts';

/*
 * `npm run new:subgraph -- loyalty --rest`: creates a subgraph over a new provider, with a sandbox and tests, and generates
 * everything else. The created code is an example to adapt to the provider: docs/add-a-subgraph.md.
 */

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

const USAGE = `Usage: npm run new:subgraph -- <name> --rest | --soap | --graphql [--provider <name>]
  <name>      name of the subgraph, one word: loyalty
  --provider  name of the provider, if different: bonus`;

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      rest: { type: 'boolean' },
      soap: { type: 'boolean' },
      graphql: { type: 'boolean' },
      provider: { type: 'string' },
    },
  });
  const kinds = KINDS.filter((kind) => values[kind]);
  const [kind] = kinds;
  if (positionals.length !== 1 || kinds.length !== 1 || !kind) throw new UsageError('Give one name and one kind.');
  const [name = ''] = positionals;
  const names = await readNames({ root: ROOT, name, provider: values.provider ?? name, kind });
  requireNoFiles(ROOT, names);
  const written = await writeTemplates(ROOT, names);
  const tool = (command: string, ...args: string[]) =>
    run(process.execPath, [join(ROOT, 'node_modules/.bin', command), ...args], { cwd: ROOT });
  const script = (name: string) => run(process.execPath, [join(ROOT, 'scripts', name)], { cwd: ROOT });
  const { stdout } = await script('generate.ts');
  await script('supergraph.ts');
  await tool('graphql-codegen', '--config', 'codegen.ts');
  const files = written.filter((file) => file.endsWith('.ts'));
  await tool('biome', 'check', '--write', '--no-errors-on-unmatched', ...files);
  console.log(
    [
      ...written.map((file) => `wrote   ${file}`),
      stdout.trim(),
      '',
      `\`npm start\` serves it now: { ${names.name}(email: "ada.lindqvist@customers.example") { status since } }`,
      'Next, follow docs/add-a-subgraph.md until `npm run check` passes.',
    ].join('\n'),
  );
} catch (error) {
  if (error instanceof UsageError || (error instanceof TypeError && 'code' in error)) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  } else if (error instanceof Error && 'stderr' in error) {
    console.error(`${error.message}\n${'stdout' in error ? error.stdout : ''}`);
    process.exitCode = 1;
  } else throw error;
}
