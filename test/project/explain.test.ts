import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startHttpServer } from '../helpers/http-server.ts';
import { startProcess } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* `npm run explain`, as a process. */

const OPERATIONS = `query Deals($first: Int!, $status: DealStatus) {
  deals(first: $first, filter: { status: $status }) {
    edges { node { ...Line } }
  }
}
query Stock($skus: [ID!]! = ["A", "B"]) {
  products(skus: $skus) { sku stock { quantity } }
}
fragment Line on Deal { name lineItems { product { stock { quantity } } } }
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'explain-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const explain = async (...args: string[]) => {
  const { ended, output } = startProcess(['node', 'scripts/explain.ts', ...args], {});
  const code = await ended;
  expect(output()).not.toMatch(/ at .*\.ts:/);
  return { code, output: output() };
};
const explainJson = async (...args: string[]) => {
  const { code, output } = await explain('--json', ...args);
  return { code, results: JSON.parse(output) };
};

test('given a file, then each operation is a table with totals, and says what was assumed', async () => {
  const { code, output } = await explain(write('all.graphql', OPERATIONS));
  expect(code).toBe(0);
  const [deals = '', stock = '', ...others] = output.split('\n\n');
  expect(others).toEqual([]);
  expect(deals).toMatch(/^query Deals\nsubgraph +operation +at least +expected +at most +saved\n-+\n/);
  expect(deals).toMatch(/^crm +POST \/crm\/objects\/.*\/deals\/search +0 +1 +10 +0$/m);
  expect(deals).toMatch(/^crm +all, with repeats of failed calls +0 +3 +\d+ +0$/m);
  expect(deals).toMatch(/^inventory +catalogInventoryStockItemList +0 +1 +\d+ +0$/m);
  expect(deals).toMatch(/^all +0 +4 +\d+ +0$/m);
  expect(deals).toContain('Assumed: $first = 20, $status = "OPEN". Set other values with --variables.');
  // All lines of a table are equally long.
  const table = deals.split('\n').slice(1, -2);
  expect(new Set(table.map(({ length }) => length)).size).toBe(1);
  expect(stock).toMatch(/^query Stock\n/);
  expect(stock).not.toContain('Assumed');
  expect(output).not.toContain('Plan:');
});

test('variables come from the command line or a file, and change the estimate', { tags: ['long'] }, async () => {
  const file = write('deals.graphql', OPERATIONS);
  const atMost = async (variables: string) => {
    const { code, results } = await explainJson(file, '--operation', 'Deals', '--variables', variables);
    expect([code, results.length, results[0].operation]).toEqual([0, 1, 'Deals']);
    expect(results[0].assumed).toEqual({ status: 'OPEN' });
    return results[0].explain.calls.atMost;
  };
  const [few, many] = [await atMost('{"first": 2}'), await atMost(write('many.json', '{ "first": 100 }'))];
  expect(few).toBeGreaterThan(0);
  expect(many).toBeGreaterThan(few);
});

test('fragments may be in other files, and the plan is printed on demand', { tags: ['long'] }, async () => {
  const [query, fragment] = OPERATIONS.split(/(?=fragment)/) as [string, string];
  const file = write('query.graphql', query);
  const alone = await explain(file, '--operation', 'Deals');
  expect(alone.code).toBe(1);
  expect(alone.output).toContain(`${file}:3:23: Unknown fragment "Line". Name the file that defines it, too.`);
  const { code, output } = await explain(file, write('line.graphql', fragment), '--operation', 'Deals', '--plan');
  expect(code).toBe(0);
  expect(output).toMatch(/\nPlan:\n {2}one after another\n {4}crm\n {6}query Deals__crm/);
  expect(output).toContain('    inventory for deals.edges[].node.lineItems[].product\n');
});

test.each([
  ['no file', [], 'Name a file with operations.'],
  ['an unknown option', ['a.graphql', '--verbose'], "Unknown option '--verbose'"],
  ['variables that are not JSON', ['a.graphql', '--variables', '{first: 1}'], '--variables must be a JSON object'],
  ['a list of variables', ['a.graphql', '--variables', 'tsconfig.json/none'], '--variables must be a JSON object'],
  ['a missing file of variables', ['a.graphql', '--variables', 'none.json'], 'there is no file none.json'],
  ['an invalid URL', ['a.graphql', '--url', '127.0.0.1:4000'], '--url must be an http or https URL.'],
  ['an invalid header', ['a.graphql', '--url', 'http://a.example', '--header', 'token'], "the form 'name: value'"],
  ['a header without a gateway', ['a.graphql', '--header', 'a: b'], '--header needs --url.'],
])('given %s, then it says so, prints its usage and ends with 2', { tags: ['long'] }, async (_, args, message) => {
  const { code, output } = await explain(...args);
  expect(code).toBe(2);
  expect(output).toContain(message);
  expect(output).toContain('Usage: npm run explain');
});

test.each([
  ['a missing file', 'none.graphql', [], /none\.graphql cannot be read: ENOENT\.\n$/],
  ['a syntax error', 'query {\n  deals(\n}', [], /a\.graphql:3:1: Syntax Error: /],
  ['no operation', 'fragment A on Deal { id }', [], /a\.graphql: no operations\.\n$/],
  ['two operations of one name', '{ a } { b }', [], /a\.graphql has another operation without a name\.\n$/],
  [
    'an unknown operation',
    OPERATIONS,
    ['--operation', 'Deal'],
    /^There is no operation Deal. There are: Deals, Stock\.\n$/,
  ],
  ['an unknown variable', OPERATIONS, ['--variables', '{"frist":1}'], /^No operation has the variable \$frist\.\n$/],
])('given %s, then it says so and ends with 1', { tags: ['long'] }, async (_, text, args, message) => {
  const file = text === 'none.graphql' ? text : write('a.graphql', text);
  expect(await explain(file, ...args)).toEqual({ code: 1, output: expect.stringMatching(message) });
});

test('an invalid operation is reported with its position, or as the gateway reports it, beside the others', {
  tags: ['long'],
}, async () => {
  const text = `query Valid { product(sku: "A") { sku } }
query Unknown { product(sku: "A") { colour } }
query Wrong($first: Int!) { deals(first: $first) { edges { cursor } } }`;
  const file = write('three.graphql', text);
  const { code, output } = await explain(file, '--variables', '{"first": "many"}');
  expect(code).toBe(1);
  const [valid = '', unknown = '', wrong = ''] = output.split('\n\n');
  expect(valid).toContain('catalogInventoryStockItemList');
  expect(unknown).toBe(`query Unknown\n  ${file}:2:37: Cannot query field "colour" on type "Product".`);
  expect(wrong).toMatch(/^query Wrong\n {2}Variable "\$first" got invalid value/);
});

describe('given a running gateway', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.close());
  beforeEach(() => stack.reset());
  const calls = () => Object.values(stack.sandboxes).flatMap((sandbox) => sandbox.calls.map((call) => call.operation));

  test('then its own estimate is printed, and neither queries nor mutations are executed', async () => {
    await stack.ask('{ products(skus: ["OABR-S"]) { sku stock { quantity } } }');
    stack.reset();
    const file = write(
      'both.graphql',
      `query Stock { products(skus: ["OABR-S"]) { sku stock { quantity } } }
       mutation Set { setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } } }`,
    );
    const { code, results } = await explainJson(file, '--url', stack.url);
    expect(code).toBe(0);
    expect(results.map(({ explain }: { explain: { calls: { expected: number } } }) => explain.calls.expected)).toEqual([
      1, 4,
    ]);
    expect(calls()).toEqual([]);
  });

  test('with a budget that the operation exceeds, then it says so', async () => {
    const plans = { default: 'small', plans: { small: { callsPerOperation: { inventory: 1 } } } };
    const small = await stack.startAnother({ PLANS: write('plans.json', JSON.stringify(plans)) });
    onTestFinished(() => small.close());
    const file = write(
      'set.graphql',
      'mutation { setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } } }',
    );
    const { code, output } = await explain(file, '--url', small.url);
    expect(code).toBe(0);
    expect(output).toMatch(
      /\nIt would be refused now\. The operation is expected to make 4 .* the budget is 1 \(plans\.small\./,
    );
  });

  test('that does not allow estimates, then its reason is printed', async () => {
    const closed = await stack.startAnother({ CALL_REPORT: 'off' });
    onTestFinished(() => closed.close());
    const { code, output } = await explain(write('a.graphql', '{ __typename }'), '--url', closed.url);
    expect(code).toBe(1);
    expect(output).toContain('/graphql gave no estimate: Operations are not explained here. Set CALL_REPORT');
  });

  test('that does not answer, then the reason is printed', async () => {
    const url = 'http://127.0.0.1:9/';
    const { code, output } = await explain(write('a.graphql', '{ __typename }'), '--url', url);
    expect(code).toBe(1);
    expect(output).toMatch(/^http:\/\/127\.0\.0\.1:9\/graphql cannot be reached: \w.*\.\n$/);
  });
});

test('given another GraphQL server, which would execute operations, then none is sent', async () => {
  const received: { body: string; headers: IncomingHttpHeaders; url: string | undefined }[] = [];
  const server = await startHttpServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ body, headers: request.headers, url: request.url });
    response.end('{"data":{"__typename":"Query"}}');
  });
  onTestFinished(() => server.close());
  const file = write('a.graphql', 'mutation { setStock(input: { sku: "A", quantity: 1 }) { product { sku } } }');
  const headers = ['--header', 'authorization: Bearer a:b', '--header', 'X-Tenant:acme'];
  const { code, output } = await explain(file, '--url', `${server.url}/api/graph`, ...headers);
  expect({ code, output }).toEqual({ code: 1, output: `${server.url}/api/graph gave no estimate.\n` });
  expect(received).toMatchObject([
    {
      body: '{"query":"{ __typename }"}',
      url: '/api/graph',
      headers: { authorization: 'Bearer a:b', 'x-tenant': 'acme', 'x-tributary-explain': '1' },
    },
  ]);
});
