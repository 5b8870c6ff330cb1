import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWithTransports, type TransportGateway } from '../../helpers/federation.ts';
import { createSubgraphs } from './fixture-graph.ts';

/* Regressions: operations that graphql-jit executed incorrectly for in-process subgraphs. */

let gateway: TransportGateway;
beforeAll(async () => {
  const env = { MAX_ALIASES: '2000', PLANNING_TIMEOUT_MS: '60000', REQUEST_TIMEOUT_MS: '60000' };
  gateway = await startWithTransports(createSubgraphs(), { isLocal: true, env });
});
afterAll(() => gateway.close());

test.each([true, false])(
  'given a fragment with two conditions, when $yes is %s, then it is included under either',
  async (yes) => {
    const { data } = await gateway.ask(
      `query($yes: Boolean!) { me { best { nick ...F @include(if: $yes) } ... @skip(if: $yes) { ...F } role } }
     fragment F on Person { name tags best { ...G @skip(if: $yes) } ...G @include(if: $yes) }
     fragment G on Person { extra nick }`,
      { yes },
    );
    const person = { name: expect.any(String), tags: expect.any(Array) };
    const extra = { extra: expect.any(Object), nick: expect.any(String) };
    expect(data).toEqual({
      me: yes
        ? { role: 'READER', best: { ...person, ...extra, best: {} } }
        : { role: 'READER', ...person, best: expect.objectContaining({ nick: expect.any(String) }) },
    });
  },
);

test('given a variable that is an input object, then its fields have their defaults', async () => {
  const { data, errors } = await gateway.ask('mutation($input: RenameInput!) { rename(input: $input) { id } }', {
    input: { id: '3' },
  });
  expect({ data, errors }).toEqual({ data: { rename: { id: '3' } }, errors: undefined });
});

test('given more than a thousand fields, then all are returned', async () => {
  const fields = Array.from({ length: 1_100 }, (_, index) => `f${index}: name`);
  const { data, errors } = await gateway.ask<{ me: Record<string, string> }>(`{ me { ${fields.join(' ')} } }`);
  expect(errors).toBeUndefined();
  expect(Object.keys(data?.me ?? {})).toHaveLength(1_100);
});

test('given an operation that is nested too deeply, then it is rejected', async () => {
  const levels = 2_000;
  const { status, data, errors } = await gateway.ask(
    `{ me { ${'best { '.repeat(levels)} id ${'} '.repeat(levels)} } }`,
  );
  expect({ status, data }).toEqual({ status: 400, data: undefined });
  expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['OPERATION_LIMIT_EXCEEDED']);
});
