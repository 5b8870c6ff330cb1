import { execFileSync } from 'node:child_process';
import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { copyProject, type ProjectCopy } from '../helpers/copy.ts';
import type { Spawned } from '../helpers/processes.ts';
import { type Ask, createAsk } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* `npm run dev` in a copy of the project whose files change. */

describe.skipIf(!hasTool('git'))('npm run dev', { tags: ['long'] }, () => {
  let project: ProjectCopy;
  let running: Spawned;
  let url: string;
  let ask: Ask;

  beforeAll(async () => {
    project = copyProject();
    const git = (...args: string[]) => execFileSync('git', args, { cwd: project.root });
    git('init', '--quiet');
    git('add', '--all');
    git('-c', 'user.name=a', '-c', 'user.email=a@b.example', 'commit', '--quiet', '-m', 'all');
    running = project.start(['node', 'scripts/dev/main.ts'], { PORT: '0', ADMIN_PORT: '0' });
    await vi.waitFor(() => expect(running.output()).toContain('Watching'), 120_000);
    url = /The graph: +(\S+)/.exec(running.output())?.[1] ?? '';
    ask = createAsk(url);
  });
  afterAll(async () => {
    await running.stop();
    project.remove();
  });

  const stockOf = async () => (await ask('{ product(sku: "OABR-S") { stock { quantity } } }')).text;
  const nameOf = async (field = 'firstName') =>
    (await ask(`{ customer(email: "ada.lindqvist@customers.example") { ${field} } }`)).text;

  test('the admin endpoints are served as by a gateway', async () => {
    const admin = /Admin endpoints: +(\S+)/.exec(running.output())?.[1];
    await ask('query Measured { __typename }');
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain('graphql_operation_name="Measured"');
    expect((await fetch(`${admin}/status.json`)).status).toBe(200);
  });

  test('given a changed mapping, then the next request uses it, and the sandboxes keep their state', async () => {
    await ask('mutation { setStock(input: { sku: "OABR-S", quantity: 4321 }) { product { sku } } }');
    expect(await nameOf()).toContain('"Ada"');
    const shapes = project.read('subgraphs/crm/hubspot/wire-types.ts');
    project.change('subgraphs/crm/hubspot/wire-types.ts', 'firstName: properties', "firstName: 'Dear ' + properties");
    await expect.poll(() => nameOf()).toContain('"Dear Ada"');
    expect(await stockOf()).toContain('4321');
    project.write('subgraphs/crm/hubspot/wire-types.ts', shapes);
    await expect.poll(() => nameOf()).toContain('"Ada"');
    expect(running.output()).toMatch(/subgraphs reloaded \(\d+ ms\): subgraphs\/crm\/hubspot\/wire-types.ts/);
  });

  test('given a file that an editor replaces, then each edit reloads the subgraphs once', async () => {
    const file = 'subgraphs/crm/hubspot/wire-types.ts';
    const text = project.read(file);
    const path = join(project.root, file);
    let edits = 0;
    const before = running.output().length;
    /** Waits until a later change has been noticed, and thus all earlier ones. */
    const settle = async () => {
      const mark = `runtime/mark-${++edits}.ts`;
      project.write(mark, '');
      await expect.poll(() => running.output()).toContain(mark);
    };
    const replacements = {
      renamed: (next: string) => {
        writeFileSync(`${path}~`, next);
        renameSync(`${path}~`, path);
      },
      prepared: async (next: string) => {
        writeFileSync(`${path}.tmp.123`, next);
        writeFileSync(join(path, '../.#wire-types.ts'), next);
        await settle();
        renameSync(`${path}.tmp.123`, path);
        rmSync(join(path, '../.#wire-types.ts'));
      },
      emptied: (next: string) => {
        truncateSync(path);
        writeFileSync(path, next);
      },
      backedUp: (next: string) => {
        renameSync(path, `${path}~`);
        writeFileSync(path, next);
        rmSync(`${path}~`);
      },
      removed: (next: string) => {
        rmSync(path);
        writeFileSync(path, next);
      },
      written: (next: string) => writeFileSync(path, next),
    };
    for (const round of [1, 2]) {
      for (const [way, replace] of Object.entries(replacements)) {
        await replace(text.replace('firstName: properties', `firstName: '${way}${round} ' + properties`));
        await expect.poll(() => nameOf()).toContain(`"${way}${round} Ada"`);
        await settle();
      }
    }
    replacements.renamed(text);
    await expect.poll(() => nameOf()).toContain('"Ada"');
    await settle();
    const replaced =
      running
        .output()
        .slice(before)
        .match(/subgraphs reloaded .*/g) ?? [];
    expect(replaced).toEqual(
      Array(2 * Object.keys(replacements).length + 1).fill(
        expect.stringMatching(/^subgraphs reloaded \(\d+ ms\): subgraphs\/crm\/hubspot\/wire-types.ts$/),
      ),
    );
  });

  test('given a new field in a schema, then it can be queried, and types and schema are generated', async () => {
    expect((await ask('{ customer(id: "1") { nickname } }')).errors?.[0]?.extensions?.['code']).toBe(
      'GRAPHQL_VALIDATION_FAILED',
    );
    project.change(
      'subgraphs/crm/schema.graphql',
      '  "The customer\'s given name."\n',
      '  "What friends say."\n  nickname: String\n  "The customer\'s given name."\n',
    );
    await expect.poll(() => nameOf('nickname')).toContain('"nickname":null');
    project.change(
      'subgraphs/crm/hubspot/wire-types.ts',
      'firstName: properties',
      "nickname: 'Addie',\n      firstName: properties",
    );
    await expect.poll(() => nameOf('nickname')).toContain('"Addie"');
    await expect.poll(() => project.read('subgraphs/crm/generated.ts')).toContain('nickname');
    expect(project.read('gateway/schema.graphql')).toContain('nickname: String');
  });

  test('given a new document, then its hook is generated', async () => {
    project.write(
      'clients/web/src/customers/nicknames.graphql',
      'query Nicknames { customers { edges { node { nickname } } } }',
    );
    await expect.poll(() => project.read('clients/web/src/generated/hooks.ts')).toContain('useNicknamesQuery');
  });

  test.each([
    [
      'a syntax error',
      'subgraphs/crm/hubspot/mapping.ts',
      'export const',
      'export cnst',
      /subgraphs\/crm\/hubspot\/mapping.ts:\d+[\s\S]*cnst/,
    ],
    [
      'code that throws',
      'subgraphs/crm/hubspot/parse-rate-limit.ts',
      'export const',
      'null.x;\nexport const',
      /TypeError: Cannot read[\s\S]*subgraphs\/crm\/hubspot\/parse-rate-limit.ts:\d+/,
    ],
    [
      'a schema that does not compose',
      'subgraphs/crm/schema.graphql',
      'nickname: String',
      'nickname: Strin',
      /^subgraphs\/crm\/schema.graphql:\d+:\d+: \[crm\] Unknown type Strin$/m,
    ],
    [
      'a document with an unknown field',
      'clients/web/src/customers/nicknames.graphql',
      'nickname',
      'nick',
      /Cannot query field "nick"[\s\S]*nicknames.graphql/,
    ],
  ])(
    'given %s, then it reports the problem and its location, and the previous version keeps answering',
    async (_, file, from, to, message) => {
      const before = running.output().length;
      const text = project.read(file);
      project.change(file, from, to);
      await expect.poll(() => running.output().slice(before)).toMatch(message);
      expect(running.output().slice(before)).toContain('change not applied');
      expect(running.output().slice(before)).not.toMatch(/\?load=|node:internal/);
      expect(await nameOf('nickname')).toContain('"Addie"');
      project.write(file, text);
    },
  );

  test('given a new schema and a syntax error, when the error is fixed, then the types are generated', async () => {
    const [schema, shapes] = ['subgraphs/crm/schema.graphql', 'subgraphs/crm/hubspot/wire-types.ts'];
    const before = running.output().length;
    const text = project.read(shapes);
    project.write(shapes, `${text}\nconst = 1;\n`);
    project.change(schema, '  nickname: String\n', '  nickname: String\n  title: String\n');
    await expect.poll(() => running.output().slice(before)).toContain('change not applied');
    expect(project.read('subgraphs/crm/generated.ts')).not.toContain('title?');
    project.write(shapes, text);
    await expect.poll(() => project.read('subgraphs/crm/generated.ts')).toContain('title?');
  });

  test('given a change that breaks a committed operation, then it is reported when it is saved', async () => {
    const schema = project.read('subgraphs/crm/schema.graphql');
    project.change('subgraphs/crm/schema.graphql', 'lastName: String', 'familyName: String');
    await expect.poll(() => running.output()).toContain("Field 'lastName' was removed from object type 'Customer'");
    expect(running.output()).toContain('- change: FIELD_REMOVED Customer.lastName');
    project.write('subgraphs/crm/schema.graphql', schema);
    await expect.poll(() => nameOf('lastName')).toContain('Lindqvist');
  });

  test('given a change that needs a restart, then the file is named', async () => {
    project.change('gateway/http/report.ts', '/**', '/** */ /**');
    await expect.poll(() => running.output()).toContain('restart to apply the change of gateway/http/report.ts');
  });

  test('the page comes from a development server that follows the files', async () => {
    const page = /The page, as you edit: (\S+)/.exec(running.output())?.[1] ?? '';
    const html = await (await fetch(page, { headers: { accept: 'text/html' } })).text();
    expect(html).toContain('/desk/@vite/client');
    const answer = await createAsk(new URL('/graphql', page).href)('{ __typename }');
    expect(answer.data).toEqual({ __typename: 'Query' });
    const settings = await fetch(new URL('/desk/config.json', page));
    expect(await settings.json()).toEqual({ hasPeople: true, live: ['crm', 'inventory', 'payments'] });
    expect((await fetch(new URL('/auth/development/people', page))).status).toBe(200);
  });
});
