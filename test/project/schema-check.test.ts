import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { composeSupergraph } from '../../gateway/supergraph/compose.ts';
import { startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* Changes of a schema in a temporary repository with the operations of two apps. */

const LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])\n';
const PEOPLE = `${LINK}
type Query {
  person(id: ID!, language: String): Person
  search(filter: Filter): [Person!]!
  animals: [Animal!]!
}
enum Mood { GLAD SAD }
input Filter { text: String, mood: Mood }
type Person @key(fields: "id") {
  id: ID!
  name: String!
  phone: String
  mood: Mood
}
type Animal { name: String, age: Int }
`;
const ORDERS = `${LINK}
type Person @key(fields: "id") {
  id: ID!
  orders: [Order!]!
}
type Order { number: Int! }
`;
const WEB = 'query Person($id: ID!) { person(id: $id) { ...Name } } fragment Name on Person { name }';
const IOS = 'query Orders($filter: Filter) { search(filter: $filter) { phone orders { number } } }';

describe.skipIf(!hasTool('git'))('npm run schema:check', () => {
  let root: string;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'schema-check-'));
    write('supergraph.yaml', SUPERGRAPH);
    reset();
    write('gateway/schema.graphql', (await composeSupergraph(join(root, 'supergraph.yaml'))).apiSdl);
    write('clients/web/src/person.graphql', WEB);
    write('clients/ios/operations.json', JSON.stringify({ operations: [{ id: '1', name: 'Orders', body: IOS }] }));
    git('init', '--quiet');
    git('add', '.');
    git('-c', 'user.name=a', '-c', 'user.email=a@b.example', 'commit', '--quiet', '-m', 'first');
  });
  afterAll(() => rmSync(root, { recursive: true }));
  beforeEach(() => reset());

  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const reset = (): void => {
    write('subgraphs/people/schema.graphql', PEOPLE);
    write('subgraphs/orders/schema.graphql', ORDERS);
    write('gateway/breaking-changes.yaml', '');
  };
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root });
  const change = (from: string, to: string): void => {
    const text = PEOPLE.includes(from) ? PEOPLE : ORDERS;
    expect(text).toContain(from);
    write(`subgraphs/${text === PEOPLE ? 'people' : 'orders'}/schema.graphql`, text.replace(from, to));
  };
  const check = async (base = 'HEAD') => {
    const { ended, output } = startProcess(['node', 'scripts/schema-check.ts', base, root], {});
    return { code: await ended, output: output() };
  };

  test('given no changes, then it passes', async () => {
    expect(await check()).toEqual({
      code: 0,
      output: 'The schema breaks none of the 2 operations that were committed at HEAD.\n',
    });
  });

  const expectBreaking = async (_: string, from: string, to: string, name: string): Promise<void> => {
    change(from, to);
    const { code, output } = await check();
    expect(code).toBe(1);
    expect(output).toContain(`  - change: ${name}\n`);
    expect(output.match(/- change:/g)).toHaveLength(1);

    write('gateway/breaking-changes.yaml', `- change: ${name}\n  why: Nobody needs it.\n`);
    expect(await check()).toMatchObject({ code: 0, output: expect.stringContaining('declared') });
  };

  test.each([
    ['a removed field that an operation selects', '  name: String!\n', '', 'FIELD_REMOVED Person.name'],
    ['a removed field that a manifest’s operation selects', '  phone: String\n', '', 'FIELD_REMOVED Person.phone'],
  ])('given %s, then it fails and shows how to declare the change', expectBreaking);

  test.each([
    ['a field that becomes nullable', 'name: String!', 'name: String', 'FIELD_TYPE_CHANGED Person.name'],
    ['a new required argument', 'person(id: ID!', 'person(way: Int!, id: ID!', 'FIELD_ARGUMENT_ADDED Query.person.way'],
    [
      'a changed type of an argument in use',
      'person(id: ID!',
      'person(id: Int!',
      'FIELD_ARGUMENT_TYPE_CHANGED Query.person.id',
    ],
    ['a new required input field', 'mood: Mood }', 'mood: Mood, more: Int! }', 'INPUT_FIELD_ADDED Filter.more'],
    ['a removed enum value', 'GLAD SAD', 'GLAD', 'ENUM_VALUE_REMOVED Mood.SAD'],
    [
      'a changed field type',
      'type Order { number: Int! }',
      'type Order { number: String! }',
      'FIELD_TYPE_CHANGED Order.number',
    ],
  ])('given %s, then it fails and shows how to declare the change', { tags: ['long'] }, expectBreaking);

  test.each([
    ['a removed field that no operation selects', ', age: Int', ''],
    ['a removed type that no operation selects', '  animals: [Animal!]!\n', '  cats: Int\n'],
    ['a removed argument that no operation uses', ', language: String', ''],
    ['a new field', '  phone: String\n', '  phone: String\n  phone2: String\n'],
  ])('given %s, then it passes', { tags: ['long'] }, async (_, from, to) => {
    change(from, to);
    expect(await check()).toMatchObject({ code: 0, output: expect.stringContaining('breaks none of the 2') });
  });

  test('given an invalid schema, then it names file and line', async () => {
    change('name: String!', 'name: Strin');
    const { code, output } = await check();
    expect(code).toBe(1);
    expect(output).toMatch(/^subgraphs\/people\/schema.graphql:12:9: \[people\] Unknown type Strin$/m);
  });

  test('given contradicting subgraphs, then it names both positions', { tags: ['long'] }, async () => {
    change('type Order { number: Int! }', 'type Order { number: Int! } type Animal { name: Int }');
    const { output } = await check();
    expect(output).toMatch(/^subgraphs\/orders\/schema.graphql:7:43: Type of field "Animal.name" is incompatible/m);
    expect(output).toContain('\n  see also subgraphs/people/schema.graphql:16:15');
  });

  test('given an unreachable field, then it names the position of the field', { tags: ['long'] }, async () => {
    change(
      'type Person @key(fields: "id") {\n  id: ID!\n  orders',
      'type Person @key(fields: "number") {\n  number: Int!\n  orders',
    );
    const { output } = await check();
    expect(output).toMatch(/^subgraphs\/orders\/schema.graphql:\d+:3: The following supergraph API query/m);
  });

  test.each([
    ['a syntax error', 'subgraphs/orders/schema.graphql', 'type {', /schema.graphql:1:6: Syntax Error/],
    ['a missing file', 'supergraph.yaml', 'NONE', /^subgraphs\/none.graphql: it cannot be read/m],
    ['an invalid list', 'supergraph.yaml', 'subgraphs: 1', /^supergraph.yaml: /m],
  ])('given %s, then it names the file', { tags: ['long'] }, async (_, file, text, expected) => {
    write(file, text === 'NONE' ? SUPERGRAPH.replace('subgraphs/orders/schema', 'subgraphs/none') : text);
    const { code, output } = await check();
    write('supergraph.yaml', SUPERGRAPH);
    expect(code).toBe(1);
    expect(output).toMatch(expected);
    expect(output).not.toMatch(/ at .*\.ts:/);
  });

  test('given an unknown commit, then it passes and says so', { tags: ['long'] }, async () => {
    expect(await check('no-such-commit')).toMatchObject({
      code: 0,
      output: expect.stringContaining('nothing to compare'),
    });
  });
});

const SUPERGRAPH = `federation_version: =2.14.4
subgraphs:
  people:
    routing_url: http://people.example
    schema: { file: ./subgraphs/people/schema.graphql }
  orders:
    routing_url: http://orders.example
    schema: { file: ./subgraphs/orders/schema.graphql }
`;
