import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Federation, startFederation } from '../helpers/federation.ts';

/* A mutation that a subgraph accepted but whose response is unusable. */

const SHOP = {
  schema: 'type Query { orders: Int } type Mutation { buy: String buyMany: [Int] }',
  fields: { 'Mutation.buy': () => 'bought', 'Mutation.buyMany': () => Array.from({ length: 2_000 }, () => 1) },
};

let shop: Federation<'shop'>;
beforeAll(async () => {
  shop = await startFederation({ shop: SHOP }, { REQUEST_FETCH_MAX_MIB: '1', MAX_ANSWER_VALUES: '1000' });
});
afterAll(() => shop.close());

test.each([
  ['that is not JSON', '<html>'],
  ['that is empty', ''],
  ['that is not an object', '[]'],
  ['whose data is not an object', '{"data":"bought"}'],
  ['that is truncated', '{"data":{"buy":"bou'],
  ['that exceeds the limit of one request', `{"data":{"buy":"${'x'.repeat(1_100_000)}"}}`],
])('given a response %s, then the outcome is unknown, and the mutation is not sent again', async (_, body) => {
  const { subgraphs, ask } = shop;
  subgraphs.shop.requests.length = 0;
  subgraphs.shop.before = (response) => {
    response.setHeader('content-type', 'application/json').end(body);
    return true;
  };
  const { data, errors } = await ask('mutation { buy }');
  expect(data).toEqual({ buy: null });
  expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['UPSTREAM_OUTCOME_UNKNOWN']);
  expect(subgraphs.shop.requests).toHaveLength(1);
});

test('given a response with too many values, then the outcome is unknown', async () => {
  const { subgraphs, ask } = shop;
  subgraphs.shop.before = () => false;
  const { data, errors } = await ask('mutation { buyMany }');
  expect(data).toBeUndefined();
  expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['UPSTREAM_OUTCOME_UNKNOWN']);
});
