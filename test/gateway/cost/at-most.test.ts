import { buildSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClientExplanation } from '../../../gateway/cost/client-explanation.ts';
import type { ClientReport } from '../../../gateway/http/report.ts';
import { startOverHttp } from '../../helpers/over-http.ts';
import { customerWithAllScopes, type PeopleGateway, startGatewayForPeople } from '../../helpers/people.ts';
import { createRandom, type Operation, type Random } from '../../helpers/random-operation.ts';
import { type Ask, type Stack, startStack } from '../../helpers/stack.ts';
import { generateProductQuery, type Samples } from './random-product-operation.ts';

/*
 * What an operation is said to cost at most and at least holds: for random operations over the sample data, alone and at the same time as
 * others, with and without the cache, and while calls fail. Nothing is refused for it, so that it is not the limit that holds but
 * the estimate.
 */

const SEED = Number(process.env['SEED'] ?? 1);
const OPERATIONS = Number(process.env['OPERATIONS'] ?? 80);

let stack: Stack;
let overHttp: Pick<Stack, 'ask' | 'close'>;
let people: PeopleGateway;
let samples: Samples;
let schema: ReturnType<typeof buildSchema>;

const CACHED = { CACHE_MAX_MIB: '16' };

beforeAll(async () => {
  stack = await startStack({ env: CACHED });
  overHttp = await startOverHttp(stack, CACHED);
  people = await startGatewayForPeople(stack.env);
  schema = buildSchema(await (await fetch(`${stack.url}/schema.graphql`)).text());
  samples = await readSamples(stack.ask);
});
afterAll(async () => {
  await overHttp.close();
  await people.close();
  await stack.close();
});

type Listed<Node> = { readonly edges: readonly { readonly node: Node }[] };
type WithId = { readonly id: string };
type SampleData = {
  readonly customers: Listed<
    WithId & { readonly email: string | null; readonly company: WithId | null; readonly invoices: Listed<WithId> }
  >;
  readonly deals: Listed<
    WithId & { readonly lineItems: readonly { readonly product: { readonly sku: string } | null }[] }
  >;
  readonly payments: Listed<WithId>;
};

const readSamples = async (ask: Ask): Promise<Samples> => {
  const { data } = await ask<SampleData>(`{
    customers(first: 60) { edges { node { id email company { id } invoices(first: 3) { edges { node { id } } } } } }
    deals(first: 40) { edges { node { id lineItems { product { sku } } } } }
    payments(first: 40) { edges { node { id } } }
  }`);
  if (!data) throw new Error('The sample data cannot be read.');
  const nodesOf = <Node>({ edges }: Listed<Node>): Node[] => edges.map(({ node }) => node);
  const [customers, deals] = [nodesOf(data.customers), nodesOf(data.deals)];
  return {
    customers: [...customers.map(({ id }) => id), '999999999'],
    emails: [...customers.flatMap(({ email }) => email ?? []), 'nobody@customers.example'],
    companies: [...customers.flatMap(({ company }) => company?.id ?? []), '999999999'],
    deals: [...deals.map(({ id }) => id), '999999999'],
    payments: [...nodesOf(data.payments).map(({ id }) => id), 'pi_none'],
    invoices: [...customers.flatMap(({ invoices }) => nodesOf(invoices).map(({ id }) => id)), 'in_none'],
    skus: [
      ...deals.flatMap(({ lineItems }) => lineItems.flatMap(({ product }) => product?.sku ?? [])),
      'NO-SUCH',
      'A,B',
    ],
  };
};

const SOMETIMES_UNCACHED = [{}, { 'cache-control': 'no-cache' }] as const;

type Outcome = {
  readonly explanation: ClientExplanation;
  readonly report: ClientReport;
  readonly codes: readonly unknown[];
};

/** Explains an operation and then runs it. Returns undefined if it is refused for its size. */
const explainAndRun = async (
  ask: Ask,
  { query, variables }: Operation,
  random: Random,
): Promise<Outcome | undefined> => {
  const headers = random.pick(SOMETIMES_UNCACHED);
  const explained = await ask(query, variables, { headers: { ...headers, 'x-tributary-explain': '1' } });
  const { explain } = JSON.parse(explained.text).extensions?.tributary ?? {};
  if (!explain) {
    expect(explained.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['OPERATION_LIMIT_EXCEEDED']);
    return undefined;
  }
  expect(explained.data).toBeNull();
  const { text, errors = [] } = await ask(query, variables, { headers: { ...headers, 'x-tributary-report': '1' } });
  return {
    explanation: explain,
    report: JSON.parse(text).extensions.tributary,
    codes: errors.map(({ extensions }) => extensions?.['code']),
  };
};

const callsOf = ({ calls = [] }: ClientReport, subgraph: string): number =>
  calls.reduce((sum, row) => sum + (row.subgraph === subgraph ? (row.calls ?? 0) : 0), 0);

/** Asserts that no provider, and no provider operation but for repeats, was called more often than said. */
const expectWithin = ({ explanation, report, codes }: Outcome, query: string): void => {
  expect(codes, query).not.toContain('BUDGET_EXCEEDED');
  expect(codes, query).not.toContain('INTERNAL_SERVER_ERROR');
  for (const { subgraph, atMost, atLeast, expected } of explanation.providers) {
    expect(callsOf(report, subgraph), `${subgraph} in ${query}`).toBeLessThanOrEqual(atMost);
    if (codes.length === 0) expect(callsOf(report, subgraph), query).toBeGreaterThanOrEqual(atLeast);
    expect(atLeast).toBeLessThanOrEqual(expected + 0.01);
    expect(expected).toBeLessThanOrEqual(atMost);
  }
  for (const { subgraph, operation, calls = 0, retries = 0 } of report.calls ?? []) {
    if (calls === 0) continue;
    const row = explanation.operations.find((one) => one.subgraph === subgraph && one.operation === operation);
    expect(row, `${subgraph} ${operation} is not in the explanation of ${query}`).toBeDefined();
    const repeats = explanation.providers.find((one) => one.subgraph === subgraph)?.repeats ?? 0;
    expect(calls - retries, `${operation} in ${query}`).toBeLessThanOrEqual((row?.atMost ?? 0) + repeats);
  }
};

const testEstimates = (askBy: () => Ask): void => {
  test('then random operations call no provider more often than they are said to', async () => {
    const random = createRandom(SEED);
    let run = 0;
    for (let index = 0; index < OPERATIONS; index += 1) {
      const operation = generateProductQuery(schema, random, samples);
      const outcome = await explainAndRun(askBy(), operation, random);
      if (!outcome) continue;
      run += 1;
      expectWithin(outcome, `${operation.query} ${JSON.stringify(operation.variables)}`);
    }
    expect(run).toBeGreaterThan(OPERATIONS / 2);
  });

  test('then neither do operations that share batches', async () => {
    const random = createRandom(SEED + 1_000_000);
    for (let round = 0; round < OPERATIONS / 10; round += 1) {
      const operations = Array.from({ length: 8 }, () => generateProductQuery(schema, random, samples));
      const outcomes = await Promise.all(operations.map((one) => explainAndRun(askBy(), one, random)));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome) expectWithin(outcome, operations[index]?.query ?? '');
      }
    }
  });

  test('then neither do operations of which calls fail', async () => {
    const random = createRandom(SEED + 2_000_000);
    for (let index = 0; index < OPERATIONS / 5; index += 1) {
      const operation = generateProductQuery(schema, random, samples);
      for (const sandbox of Object.values(stack.sandboxes)) {
        sandbox.fail({ times: random.below(4), status: random.pick([500, 503, 400, 401]) });
      }
      const outcome = await explainAndRun(askBy(), operation, random);
      stack.reset();
      if (outcome) expectWithin(outcome, operation.query);
    }
  });
};

describe('given subgraphs in process', () => testEstimates(() => stack.ask));

describe('given subgraphs over HTTP', { tags: ['long'] }, () => testEstimates(() => overHttp.ask));

describe('given a customer, who sees only their own data', { tags: ['long'] }, () =>
  testEstimates(() => people.as(customerWithAllScopes(samples.emails[0] ?? ''))),
);

test('given an operation that is explained, then no provider is called', async () => {
  const random = createRandom(SEED + 3_000_000);
  // Logins and the WSDL are there already.
  await stack.ask(`{ product(sku: "${samples.skus[0]}") { name stock { quantity } } }`);
  stack.reset();
  for (let index = 0; index < 50; index += 1) {
    const { query, variables } = generateProductQuery(schema, random, samples);
    await stack.ask(query, variables, { headers: { 'x-tributary-explain': '1', 'cache-control': 'no-cache' } });
  }
  const mutation = `mutation { updateDeal(input: { id: "${samples.deals[0]}", name: "x" }) { deal { name company { name } } } }`;
  const { text } = await stack.ask(mutation, {}, { headers: { 'x-tributary-explain': '' } });
  expect(JSON.parse(text).extensions.tributary.explain.calls).toMatchObject({ atLeast: 1 });
  for (const { calls } of Object.values(stack.sandboxes)) expect(calls).toEqual([]);
});
