import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { codesOf, type Stack, startStack } from '../helpers/stack.ts';

const company = createCompany();

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

describe('customers', () => {
  const CREATE_CUSTOMER = `mutation C($input: CreateCustomerInput!) {
    createCustomer(input: $input) { customer { id email firstName lifecycleStage company { name } deals { edges { cursor } } } }
  }`;

  test('given a new address, then a customer with company; the same address again is refused', async () => {
    const input = {
      email: 'New.Person@customers.example',
      firstName: 'Nora 🎈',
      lifecycleStage: 'LEAD',
      companyId: '9003',
    };
    const { data, errors } = await stack.ask(CREATE_CUSTOMER, { input });
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      createCustomer: {
        customer: {
          email: 'new.person@customers.example',
          firstName: 'Nora 🎈',
          lifecycleStage: 'LEAD',
          company: { name: 'Porto Marine' },
          deals: { edges: [] },
        },
      },
    });
    expect(codesOf((await stack.ask(CREATE_CUSTOMER, { input })).errors)).toEqual([
      ['UPSTREAM_REJECTED', 'ALREADY_EXISTS'],
    ]);
  });

  test('given a change, then that and nothing else is changed; null clears', async () => {
    const { data } = await stack.ask(`mutation {
      updateCustomer(input: { id: "102", phone: null, firstName: "Bjørn" }) {
        customer { firstName lastName phone }
      }
    }`);
    expect(data).toEqual({
      updateCustomer: { customer: { firstName: 'Bjørn', lastName: company.people[1]?.lastName, phone: null } },
    });
  });

  test('given an unknown id, then UPSTREAM_NOT_FOUND', async () => {
    const { errors } = await stack.ask(
      'mutation { updateCustomer(input: { id: "99999", phone: "1" }) { customer { id } } }',
    );
    expect(codesOf(errors)).toEqual([['UPSTREAM_NOT_FOUND', undefined]]);
  });
});

test('updateDeal: given a stage and an amount, then the deal has them', async () => {
  const { data, errors } = await stack.ask(`mutation {
    updateDeal(input: { id: "50001", stage: "closedwon", amount: "1234.5", closeDate: "2026-12-31T23:00:00+01:00" }) {
      deal { stage status amount { amount minorUnits } closeDate }
    }
  }`);
  expect(errors).toBeUndefined();
  expect(data).toEqual({
    updateDeal: {
      deal: {
        stage: 'closedwon',
        status: 'WON',
        amount: { amount: '1234.50', minorUnits: 123450 },
        closeDate: '2026-12-31T22:00:00.000Z',
      },
    },
  });
});

describe('setStock', () => {
  const SET = `mutation S($input: SetStockInput!) {
    setStock(input: $input) { product { sku name stock { quantity inStock backorders } } }
  }`;

  test('given a quantity, then that is what there is', async () => {
    const { data, errors } = await stack.ask(SET, { input: { sku: 'FEKN-M', quantity: 2.5, inStock: true } });
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      setStock: {
        product: { sku: 'FEKN-M', name: 'Felt knob, M', stock: { quantity: 2.5, inStock: true, backorders: 0 } },
      },
    });
  });

  test('given nothing left and no backorders, then the shop takes it out of stock; with them it sells on', async () => {
    const none = await stack.ask(SET, { input: { sku: 'FEKN-L', quantity: 0, backorderPolicy: 'NO' } });
    expect(none.data).toMatchObject({ setStock: { product: { stock: { quantity: 0, inStock: false } } } });
    const more = await stack.ask(SET, { input: { sku: 'FEKN-L', inStock: true, backorderPolicy: 'ALLOW' } });
    expect(more.data).toMatchObject({ setStock: { product: { stock: { quantity: 0, inStock: true } } } });
  });

  test('given an unknown SKU, then UPSTREAM_NOT_FOUND', async () => {
    const { data, errors } = await stack.ask(SET, { input: { sku: 'NO-SUCH', quantity: 1 } });
    expect(data).toEqual({ setStock: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_NOT_FOUND', undefined]]);
  });
});
