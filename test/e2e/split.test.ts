import { print } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CustomersDocument, PaymentDocument, ProductsDocument } from '../../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../../clients/web/src/generated/graphql.ts';
import { createCompany } from '../../sandbox/company.ts';
import { type Containers, createContainers, services } from '../helpers/compose.ts';
import { sandboxes } from '../helpers/sandboxes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* Compares the processes of docker-compose.yml, without any variables set, with the single-process gateway. */

test('there is a service for the gateway, each subgraph, each sandbox and Redis', () => {
  // Those with a profile run only if asked for.
  const names = Object.keys(services).filter((name) => services[name]?.profiles.length === 0);
  expect(names.sort()).toEqual(
    ['gateway', 'payments', 'crm', 'inventory', 'stripe', 'hubspot', 'openmage', 'redis'].sort(),
  );
});

describe('the services', { tags: ['long'] }, () => {
  let containers: Containers;
  let embedded: Stack;

  beforeAll(async () => {
    containers = await createContainers();
    for (const name of sandboxes.keys()) await containers.up(name);
    await containers.up('gateway', { AUTH: 'none' });
    embedded = await startStack();
  });

  afterAll(async () => {
    await embedded?.close();
    await containers?.close();
  });

  test('queries get the same responses as from the single-process gateway', async () => {
    const company = createCompany();
    const paymentId = company.accounts[0]?.payments[0]?.id ?? '';
    for (const [document, variables] of [
      [CustomerOverviewDocument, { email: 'ada.lindqvist@customers.example' }],
      [CustomersDocument, {}],
      [ProductsDocument, { skus: ['OABR-S', 'NO-SUCH', 'ZIWA-XL'] }],
      [PaymentDocument, { id: paymentId }],
    ] as const) {
      const query = print(document);
      const [split, whole] = [await containers.ask(query, variables), await embedded.ask(query, variables)];
      expect(split.errors).toBeUndefined();
      expect(split.data).toEqual(whole.data);
    }
  });

  test('invalid input gets the same errors as from the single-process gateway', async () => {
    const query = '{ payment(id: "x") { id } customer(email: "ada") { id } products(skus: [""]) { sku } }';
    const [split, whole] = [await containers.ask(query), await embedded.ask(query)];
    expect(split.data).toEqual(whole.data);
    expect(split.errors).toHaveLength(3);
    expect(split.errors).toEqual(expect.arrayContaining([...(whole.errors ?? [])]));
  });

  test('given a stopped subgraph, then its fields are errors, and the others are returned', async () => {
    await containers.down('payments');
    const { data, errors } = await containers.ask(
      '{ customers(first: 2) { edges { node { firstName balance { amount } payments { edges { cursor } } } } } products(skus: ["OABR-S"]) { sku } payment(id: "pi_3x") { id } }',
    );
    expect(data).toMatchObject({ products: [{ sku: 'OABR-S' }], payment: null });
    const failed = [
      ['payment'],
      ...[0, 1].flatMap((index) =>
        ['balance', 'payments'].map((field) => ['customers', 'edges', index, 'node', field]),
      ),
    ];
    expect(errors?.map(({ path }) => path)).toEqual(expect.arrayContaining(failed));
    expect(errors).toHaveLength(failed.length);
    expect(new Set(errors?.map(({ extensions }) => extensions?.['code']))).toEqual(new Set(['UPSTREAM_UNAVAILABLE']));
    expect(JSON.stringify(errors)).not.toContain('127.0.0.1');
  });
});
