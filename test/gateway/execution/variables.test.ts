import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWithTransports, type TransportGateway } from '../../helpers/federation.ts';
import { createSubgraphs } from './fixture-graph.ts';

/* The variables that a subgraph receives. */

describe.each([
  ['in this process', true],
  ['over HTTP', false],
])('given subgraphs %s', (_, isLocal) => {
  let gateway: TransportGateway;
  beforeAll(async () => {
    gateway = await startWithTransports(createSubgraphs(), { isLocal });
  });
  afterAll(() => gateway.close());

  const countOf = async (query: string, variables?: Record<string, unknown>) => {
    const { data, errors } = await gateway.ask<{ people: unknown[] }>(query, variables);
    expect(errors).toBeUndefined();
    return data?.people.length;
  };

  test('then an omitted variable has its default', async () => {
    const query = 'query($first: Int = 2) { people(first: $first) { id } }';
    expect(await countOf(query)).toBe(2);
    expect(await countOf(query, { first: 1 })).toBe(1);
  });

  test.each(['constructor', 'toString', 'valueOf'])('then a variable named %s has its default', async (name) => {
    expect(await countOf(`query($${name}: Int = 2) { people(first: $${name}) { id } }`)).toBe(2);
    expect(await countOf(`query($${name}: Boolean = true) { people(first: 3) @include(if: $${name}) { id } }`)).toBe(3);
  });

  test('then a required variable may have a default too', async () => {
    expect(await countOf('query($first: Int! = 2) { people(first: $first) { id } }')).toBe(2);
  });
});
