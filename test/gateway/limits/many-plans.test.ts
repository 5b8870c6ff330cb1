import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import type { SubgraphDefinition } from '../../helpers/subgraph-server.ts';

/* Subgraphs that share so many fields that a short operation has thousands of possible plans. */

const FIELDS = Array.from({ length: 8 }, (_, index) => `f${index}`);
const SUBGRAPHS = ['s0', 's1', 's2', 's3', 's4', 's5'];

/** Field n is in subgraphs n, n + 1 and n + 2, modulo their number. */
const fieldsOf = (subgraph: number): string[] =>
  FIELDS.filter((_, field) => (SUBGRAPHS.length + subgraph - (field % SUBGRAPHS.length)) % SUBGRAPHS.length < 3);

const definitions: Record<string, SubgraphDefinition> = {
  root: {
    schema: `type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! }`,
    fields: { 'Query.thing': () => ({ id: '1' }) },
  },
  ...Object.fromEntries(
    SUBGRAPHS.map((name, index) => {
      const fields = fieldsOf(index);
      const definition: SubgraphDefinition = {
        schema: `type Thing @key(fields: "id") { id: ID! ${fields.map((field) => `${field}: Int @shareable`).join(' ')} }`,
        fields: Object.fromEntries(fields.map((field) => [`Thing.${field}`, () => 1])),
      };
      return [name, definition];
    }),
  ),
};

const MANY = `{ thing { ${FIELDS.join(' ')} } }`;

let federation: Federation<string>;
let hasty: Federation<string>;
beforeAll(async () => {
  [federation, hasty] = await Promise.all([
    startFederation(definitions),
    startFederation(definitions, { PLANNING_TIMEOUT_MS: '1' }),
  ]);
});
afterAll(async () => {
  await Promise.all([federation.close(), hasty.close()]);
});

test('given an operation with thousands of possible plans, then the one with the fewest fetches is found', async () => {
  const { data, errors } = await federation.ask(MANY);
  expect(errors).toBeUndefined();
  expect(data).toEqual({ thing: Object.fromEntries(FIELDS.map((field) => [field, 1])) });
  // No two subgraphs less than these have all eight fields.
  expect(Object.values(federation.subgraphs).filter(({ requests }) => requests.length > 0)).toHaveLength(3);
});

test('given planning that takes too long, then the operation is rejected, and one with few plans is not', async () => {
  const [many, few] = await Promise.all([hasty.ask(MANY), hasty.ask('{ thing { id f0 f1 } }')]);
  expect(many.errors?.[0]?.extensions?.['code']).toBe('OPERATION_TOO_COMPLEX');
  expect(few.errors).toBeUndefined();
});
