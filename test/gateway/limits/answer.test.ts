import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFederation, startWithTransports, type TransportGateway } from '../../helpers/federation.ts';

/* Limits on a response that is larger than its estimate. */

const SHOP = {
  schema: `
    type Query { numbers(count: Int!): [Int] items(count: Int!): [Item] holes(count: Int!): [Hole] }
    type Item { id: ID! items: [Item] text: String }
    type Hole { id: ID! }`,
  fields: {
    'Query.numbers': (_: unknown, { count }: Counted) => Array.from({ length: count }, (_, index) => index),
    'Query.items': (_: unknown, { count }: Counted) => Array.from({ length: count }, (_, id) => ({ id: `${id}` })),
    'Query.holes': (_: unknown, { count }: Counted) => Array.from({ length: count }, () => ({ id: null })),
    'Item.text': () => 'x'.repeat(64_000),
    'Item.items': () => Array.from({ length: 40 }, (_, id) => ({ id: `${id}` })),
  },
};
type Counted = { readonly count: number };

describe.each([
  ['in this process', true],
  ['over HTTP', false],
])('given subgraphs %s', (_, isLocal) => {
  let gateway: TransportGateway;
  beforeAll(async () => {
    gateway = await startWithTransports({ shop: SHOP }, { isLocal, env: { MAX_ANSWER_VALUES: '10000' } });
  });
  afterAll(() => gateway.close());

  test.each([
    ['a list of scalars', '{ numbers(count: 11000) }'],
    ['a list of objects', '{ items(count: 6000) { id } }'],
    ['long texts', '{ items(count: 40) { text } }'],
    ['lists within lists', '{ items(count: 300) { items { id } } }'],
  ])('when %s exceeds the response limit, then the operation is rejected', async (_name, query) => {
    const { data, errors } = await gateway.ask(query);
    expect(data).toBeUndefined();
    expect(errors?.map(({ extensions }) => extensions)).toEqual([
      { code: 'OPERATION_LIMIT_EXCEEDED', variable: 'MAX_ANSWER_VALUES', limit: 10_000, value: expect.any(Number) },
    ]);
  });

  test('when it is at the limit, then it is returned', async () => {
    const { data, errors } = await gateway.ask<{ numbers: number[] }>('{ numbers(count: 9900) }');
    expect(errors).toBeUndefined();
    expect(data?.numbers).toHaveLength(9_900);
  });

  test('when each of thousands of objects has an error, then some are reported with the number of omitted ones', async () => {
    const { data, errors } = await gateway.ask<{ holes: null[] }>('{ holes(count: 3000) { id } }');
    expect(data?.holes).toEqual(Array.from({ length: 3_000 }, () => null));
    expect(errors?.length).toBeLessThanOrEqual(2_001);
    expect(errors?.at(-1)?.message).toMatch(isLocal ? '1000 more errors were omitted.' : /more errors/);
  });
});

test('given remote subgraphs with too many bytes in total, then the exceeding fetch fails, and the next request is answered', async () => {
  const text = 'x'.repeat(700_000);
  const gateway = await startFederation(
    {
      one: { schema: 'type Query { one: String }', fields: { 'Query.one': () => text } },
      two: { schema: 'type Query { two: String }', fields: { 'Query.two': () => text } },
    },
    { REQUEST_FETCH_MAX_MIB: '1' },
  );
  const both = await gateway.ask<Record<string, string | null>>('{ one two }');
  const single = await gateway.ask('{ one }');
  await gateway.close();
  expect(Object.values(both.data ?? {}).filter((value) => value === null)).toHaveLength(1);
  expect(both.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['UPSTREAM_BAD_RESPONSE']);
  expect(single.errors).toBeUndefined();
});
