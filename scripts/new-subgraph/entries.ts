import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Names, UsageError } from './names.ts';
import { fill } from './templates.ts';

/** A change of a file: what is put before or after the last place that matches. */
type Edit = { readonly at: RegExp; readonly before?: string; readonly after?: string };

const edits = (names: Names): Readonly<Record<string, readonly Edit[]>> => {
  const { name, Name, NAME, provider, Provider, PROVIDER, ports, kind } = names;
  const address = fill('__PROVIDER_____ADDRESS__', names);
  const host = provider === name ? `${provider}-sandbox` : provider;
  const sandboxUrl = kind === 'soap' ? `\`\${url}\${${PROVIDER}_PATH}?wsdl\`` : 'url';
  return {
    'supergraph.yaml': [
      {
        at: /\n$/,
        after: `  ${name}:
    routing_url: http://${name}:${ports.subgraph}/${name}
    schema:
      file: ./subgraphs/${name}/schema.graphql
`,
      },
    ],
    'codegen.ts': [
      {
        at: / {4}\.\.\.client\('clients\/web\/src'\)/,
        before: `    ...subgraph('${name}', { Customer: './${provider}/mapping.ts#CustomerRef', ${Name}: './${provider}/api.ts#ApiRecord' }),\n`,
      },
    ],
    'subgraphs/index.ts': [
      { at: /import .*\n/, after: `import { ${name} } from './${name}/index.ts';\n` },
      { at: /\];/, before: `, ${name}` },
    ],
    'sandbox/index.ts': [
      {
        at: /import .*\n/,
        after: `import { ${kind === 'soap' ? `${PROVIDER}_PATH, ` : ''}${PROVIDER}_SANDBOX_KEY, start${Provider}Sandbox } from '../subgraphs/${name}/${provider}/sandbox/index.ts';\n`,
      },
      {
        at: /\} as const satisfies/,
        before: `  ${provider}: {
    start: (options?: ListenOptions) => start${Provider}Sandbox(options),
    environment: ({ url }: Pick<Sandbox, 'url'>) => ({ ${address}: ${sandboxUrl}, ${PROVIDER}_API_KEY: ${PROVIDER}_SANDBOX_KEY }),
  },
`,
      },
    ],
    'test/contracts/index.ts': [
      { at: /import .*\n/, after: `import { ${provider} } from './${provider}.ts';\n` },
      { at: /\];/, before: `, ${provider}` },
    ],
    'docs/configuration.md': [
      {
        at: /\| `[A-Z]+_URL` \| – \| Where the \w+ subgraph is, if not in this process\. \|\n/,
        after: `| \`${NAME}_URL\` | – | Where the ${name} subgraph is, if not in this process. |\n`,
      },
      { at: /(?<=Which to serve:.*`\w+`), with commas/, before: `, \`${name}\`` },
      { at: /(?<=`SANDBOXES` \| `[\w,]+)`/, before: `,${provider}` },
      {
        at: /\n$/,
        after: `
## ${Name}: ${Provider}

The key may come from a file, \`${PROVIDER}_API_KEY_FILE\`.

| variable | default | meaning |
|---|---|---|
| \`${PROVIDER}_API_KEY\` | – | The key that calls are made with. |
| \`${address}\` | – | ${kind === 'soap' ? 'The WSDL.' : 'Where the API is.'} |
| \`${PROVIDER}_TIMEOUT_MS\` | 10000 | How long one call may take. |
| \`${PROVIDER}_QUOTA\` | \`account=50/1\` | Calls in so many seconds. |
| \`${PROVIDER}_CONCURRENCY\` | 10 | Calls at once. |
| \`${PROVIDER}_CACHE\` | \`records=30/60/3600\` | How long each type is good for. |
`,
      },
    ],
    '.env.example': [
      {
        at: /# [A-Z]+_URL=http:\/\/127\.0\.0\.1:\d+\/\w+\n/,
        after: `# ${NAME}_URL=http://127.0.0.1:${ports.subgraph}/${name}\n`,
      },
      { at: /(?<=# SUBGRAPHS=[\w,]+)\n/, before: `,${name}` },
      { at: /(?<=# SANDBOXES=[\w,]+)\n/, before: `,${provider}` },
      {
        at: /\n$/,
        after: `
# --- ${name}: ${Provider} ---
# ${PROVIDER}_API_KEY=
# ${address}=
# ${PROVIDER}_TIMEOUT_MS=10000
# ${PROVIDER}_QUOTA=account=50/1
# ${PROVIDER}_CONCURRENCY=10
# ${PROVIDER}_CACHE=records=30/60/3600
`,
      },
    ],
    'docker-compose.yml': [
      {
        at: / {6}[A-Z]+_URL: http:\/\/\w+:\d+\/\w+\n/,
        after: `      ${NAME}_URL: http://${name}:${ports.subgraph}/${name}\n`,
      },
      {
        // Among what the gateway waits for, which stands before the first subgraph.
        at: / {4}healthcheck: &healthcheck/,
        before: `      ${name}: { condition: service_healthy }\n`,
      },
      {
        at: /\n {2}redis:\n/,
        before: `
  ${name}:
    <<: *node
    command: ["node", "subgraphs/main.ts"]
    environment:
      <<: *subgraph
      SUBGRAPHS: ${name}
      PORT: "${ports.subgraph}"
      SANDBOX_URLS: ${provider}=http://${host}:${ports.sandbox}
      ${PROVIDER}_API_KEY:
      ${address}:
      ${PROVIDER}_TIMEOUT_MS:
      ${PROVIDER}_QUOTA:
      ${PROVIDER}_CONCURRENCY:
      ${PROVIDER}_CACHE:
    depends_on: *redis
    healthcheck:
      <<: *healthcheck
      test: ["CMD", "node", "scripts/healthcheck.ts", "http://127.0.0.1:${ports.subgraph}/health/ready"]

  ${host}:
    <<: *node
    command: ["node", "sandbox/main.ts"]
    environment: { SANDBOXES: ${provider}, PORT: "${ports.sandbox}", HOST: 0.0.0.0 }
    healthcheck:
      <<: *healthcheck
      test: ["CMD", "node", "scripts/healthcheck.ts", "http://127.0.0.1:${ports.sandbox}/_sandbox/health"]
`,
      },
    ],
  };
};

/** Adds a subgraph to every list; gives the files' names. Throws UsageError, and writes nothing, where a list is not as expected. */
export const addEntries = async (root: string, names: Names): Promise<string[]> => {
  const changed = await Promise.all(
    Object.entries(edits(names)).map(async ([file, list]) => {
      const text = list.reduce((before, edit) => apply(before, edit, file), await readFile(join(root, file), 'utf8'));
      return [file, text] as const;
    }),
  );
  for (const [file, text] of changed) await writeFile(join(root, file), text);
  return changed.map(([file]) => file);
};

const apply = (text: string, { at, before = '', after = '' }: Edit, file: string): string => {
  const found = [...text.matchAll(new RegExp(at, 'g'))].at(-1);
  if (!found) throw new UsageError(`${file} is not as expected: it has no ${at}. Nothing was written.`);
  const end = found.index + found[0].length;
  return `${text.slice(0, found.index)}${before}${found[0]}${after}${text.slice(end)}`;
};
