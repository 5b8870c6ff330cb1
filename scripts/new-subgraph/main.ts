import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { KINDS, readNames, UsageError } from './names.ts';
import { requireRoom, writeTemplates } from './templates.ts';

/*
 * `npm run new:subgraph -- loyalty --rest`: writes the folder of a subgraph over a new provider, with a sandbox, and its tests;
 * everything else is generated. What it does is an example to be replaced by the provider's own: docs/add-a-subgraph.md.
 */

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

const USAGE = `Usage: npm run new:subgraph -- <name> --rest | --soap | --graphql [--provider <name>]
  <name>      what the graph calls it, in one word: loyalty
  --provider  what is behind it, if that has another name: bonus`;

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
  if (positionals.length !== 1 || kinds.length !== 1 || !kind) throw new UsageError('A name and one kind, please.');
  const [name = ''] = positionals;
  const names = await readNames({ root: ROOT, name, provider: values.provider ?? name, kind });
  requireRoom(ROOT, names);
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
      'It goes on in docs/add-a-subgraph.md; `npm run check` says when it is done.',
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
