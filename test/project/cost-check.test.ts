import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { copyProject, type ProjectCopy } from '../helpers/copy.ts';
import { ROOT } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* `npm run cost:check` in a copy of the project, whose operations and costs change. */

const FILE = 'operations-cost.json';
const CUSTOMERS = 'clients/explorer/src/examples/customers.graphql';
const VARIABLES = 'clients/explorer/src/examples/variables.json';
const STOCK = 'clients/web/src/deals/stock-level.graphql';
const ACCOUNTS = 'subgraphs/payments/stripe/costs.ts';
const ADVICE = 'with `npm run cost:check -- --write`, and commit the file.\n';

const original = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

describe.skipIf(!hasTool('git'))('npm run cost:check', () => {
  let project: ProjectCopy;
  beforeAll(() => {
    project = copyProject();
  });
  afterAll(() => project.remove());
  beforeEach(() => {
    for (const file of [FILE, CUSTOMERS, VARIABLES, STOCK, ACCOUNTS]) project.write(file, original(file));
    rmSync(join(project.root, 'clients/ios'), { recursive: true, force: true });
  });

  const check = async (args: readonly string[] = [], env: Record<string, string> = {}) => {
    const { ended, output } = project.start(['node', 'scripts/cost-check.ts', ...args], env);
    const code = await ended;
    expect(output()).not.toMatch(/ at .*\.ts:/);
    return { code, output: output() };
  };
  /** Changes a committed figure. */
  const edit = (key: string, change: (costs: Record<string, Record<string, number>>) => void): void => {
    const file = JSON.parse(project.read(FILE));
    change(file.operations[key]);
    project.write(FILE, JSON.stringify(file));
  };

  test('given no changes, then it passes, whatever the environment says', { tags: ['long'] }, async () => {
    const env = { NODE_ENV: 'production', CALL_REPORT: 'off', AUTH: 'none', HUBSPOT_ACCESS_TOKEN: 'x', PORT: '1' };
    expect(await check([], env)).toEqual({
      code: 0,
      output: expect.stringMatching(/^The \d+ operations cost what operations-cost\.json says\.\n$/),
    });
  });

  test('given a longer list, then it says how much the worst case grew', { tags: ['long'] }, async () => {
    project.change(CUSTOMERS, 'first: 50', 'first: 100');
    const failed = await check();
    expect(failed.code).toBe(1);
    expect(failed.output).toMatch(
      /^More provider calls at most than operations-cost\.json allows:\n {2}explorer\/Customers: (?:crm \d+ instead of \d+ \(\+\d+\), )?payments \d+ instead of \d+ \(\+\d+\)\nReduce the calls, or accept them /,
    );
    expect(failed.output.endsWith(ADVICE)).toBe(true);
    expect(project.read(FILE)).toBe(original(FILE));
  });

  test('given a longer list that is accepted, then it passes, until the list is shorter', {
    tags: ['long'],
  }, async () => {
    project.change(CUSTOMERS, 'first: 50', 'first: 100');
    expect(await check(['--write'])).toMatchObject({
      code: 0,
      output: expect.stringMatching(/\nwrote operations-cost\.json\n$/),
    });
    expect(await check()).toMatchObject({ code: 0 });

    // A shorter list then has to be written as well.
    project.write(CUSTOMERS, original(CUSTOMERS));
    const shorter = await check();
    expect(shorter.code).toBe(1);
    expect(shorter.output).toMatch(
      /^Fewer provider calls at most than operations-cost\.json says:\n {2}explorer\/Customers: .*payments \d+ instead of \d+ \(-\d+\)\nNo worst case grew, but the file must be true\./,
    );
    expect(await check(['--write'])).toMatchObject({ code: 0 });
    expect(project.read(FILE)).toBe(original(FILE));
  });

  test('given a provider whose fields cost more, then each operation that reads them is named', {
    tags: ['long'],
  }, async () => {
    project.change(ACCOUNTS, 'MAX_ACCOUNTS = 100', 'MAX_ACCOUNTS = 300');
    const { code, output } = await check();
    expect(code).toBe(1);
    const [title, ...lines] = output.split('\n');
    expect(title).toBe('More provider calls at most than operations-cost.json allows:');
    for (const key of ['explorer/Customer', 'explorer/Customers', 'web/CustomerOverview', 'web/MorePayments']) {
      expect(lines.filter((line) => line.startsWith(`  ${key}: payments `))).toHaveLength(1);
    }
    expect(output).not.toContain('web/SetStock');
  });

  test('given new and missing operations, also of an app that is built elsewhere, then they are named', {
    tags: ['long'],
  }, async () => {
    project.change(
      STOCK,
      'fragment StockLevel',
      'query Level { product(sku: "A") { stock { ...StockLevel } } } fragment StockLevel',
    );
    project.change(CUSTOMERS, 'query Customers', 'query People');
    mkdirSync(join(project.root, 'clients/ios'), { recursive: true });
    const body = 'query Deal($ids: [ID!]!, $id: ID!) { products(skus: $ids) { name } deal(id: $id) { name } }';
    project.write('clients/ios/operations.json', JSON.stringify({ operations: [{ body }] }));
    const { code, output } = await check();
    expect(code).toBe(1);
    expect(output).toMatch(
      /^Not in operations-cost\.json:\n {2}explorer\/People: at most crm \d+, payments \d+\n {2}ios\/Deal: at most crm \d+, inventory \d+\n {2}web\/Level: at most inventory \d+\nIn operations-cost\.json, but no operation of an app any more:\n {2}explorer\/Customers\n/,
    );
    await check(['--write']);
    const { operations } = JSON.parse(project.read(FILE));
    expect(operations['ios/Deal'].assumed).toEqual({ ids: '20 × "example"', id: '"example"' });
    expect(operations).not.toHaveProperty('explorer/Customers');
  });

  test('given other expected calls, or other example values, then these have to be written, too', {
    tags: ['long'],
  }, async () => {
    edit('explorer/Payment', ({ expected }) => {
      if (expected) expected['crm'] = 1;
    });
    project.change(VARIABLES, 'ada.lindqvist@', 'ada@');
    const { code, output } = await check();
    expect({ code, output }).toEqual({
      code: 1,
      output: [
        'Other expected calls or variables than in operations-cost.json:',
        '  explorer/Customer: other variables',
        '  explorer/Payment: crm 3 instead of 1 (+2)',
        `No worst case grew, but the file must be true. Accept the figures ${ADVICE}`,
      ].join('\n'),
    });
  });

  test('given an invalid operation, then it is named with its position, and nothing is written', {
    tags: ['long'],
  }, async () => {
    project.change(CUSTOMERS, 'lifecycleStage', 'stage');
    const { code, output } = await check(['--write']);
    expect(code).toBe(1);
    expect(output).toMatch(
      /^explorer\/Customers cannot be estimated: clients\/explorer\/.*customers\.graphql:3:\d+: Field "stage"/,
    );
    expect(project.read(FILE)).toBe(original(FILE));
  });

  test('given a file with conflict markers, then it says so, and writes it again', { tags: ['long'] }, async () => {
    project.write(FILE, `<<<<<<< HEAD\n${original(FILE)}`);
    expect(await check()).toEqual({
      code: 1,
      output: 'operations-cost.json cannot be read. Run `npm run cost:check -- --write` to write it again.\n',
    });
    expect(await check(['--write'])).toMatchObject({ code: 0 });
    expect(project.read(FILE)).toBe(original(FILE));
  });
});
