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

  test('given a new address, then the customer is created; a second time it is rejected', async () => {
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

  test('given some fields, then only these are changed, and null clears a field', async () => {
    const { data } = await stack.ask(`mutation {
      updateCustomer(input: { id: "102", phone: null, firstName: "Bjørn" }) {
        customer { firstName lastName phone }
      }
    }`);
    expect(data).toEqual({
      updateCustomer: { customer: { firstName: 'Bjørn', lastName: company.people[1]?.lastName, phone: null } },
    });
  });

  test('given an unknown id, then the error is UPSTREAM_NOT_FOUND', async () => {
    const { errors } = await stack.ask(
      'mutation { updateCustomer(input: { id: "99999", phone: "1" }) { customer { id } } }',
    );
    expect(codesOf(errors)).toEqual([['UPSTREAM_NOT_FOUND', undefined]]);
  });
});

test('updateDeal: given a stage, an amount and a date, then the deal has them', async () => {
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

  test('given a quantity, then it is set', async () => {
    const { data, errors } = await stack.ask(SET, { input: { sku: 'FEKN-M', quantity: 2.5, inStock: true } });
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      setStock: {
        product: { sku: 'FEKN-M', name: 'Felt knob, M', stock: { quantity: 2.5, inStock: true, backorders: 0 } },
      },
    });
  });

  test('given a quantity of zero, then the product is out of stock unless backorders are allowed', async () => {
    const none = await stack.ask(SET, { input: { sku: 'FEKN-L', quantity: 0, backorderPolicy: 'NO' } });
    expect(none.data).toMatchObject({ setStock: { product: { stock: { quantity: 0, inStock: false } } } });
    const more = await stack.ask(SET, { input: { sku: 'FEKN-L', inStock: true, backorderPolicy: 'ALLOW' } });
    expect(more.data).toMatchObject({ setStock: { product: { stock: { quantity: 0, inStock: true } } } });
  });

  test('given an unknown SKU, then the error is UPSTREAM_NOT_FOUND', async () => {
    const { data, errors } = await stack.ask(SET, { input: { sku: 'NO-SUCH', quantity: 1 } });
    expect(data).toEqual({ setStock: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_NOT_FOUND', undefined]]);
  });
});
