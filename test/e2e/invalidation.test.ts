import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { resetClock, stopClock } from '../helpers/clock.ts';
import { codesOf, operationsOf, type Stack, startStack } from '../helpers/stack.ts';

/*
 * Invalidation by each mutation. All fields and lists that show the written object are cached before the mutation and
 * must show the new state right after it; unrelated ones must stay cached. A second gateway without a cache provides the
 * expected state.
 */

const company = createCompany();

const CACHED = {
  CACHE_MAX_MIB: '16',
  ...Object.fromEntries(
    subgraphs.map(({ provider: { envPrefix, cachePolicies } }) => [
      `${envPrefix}_CACHE`,
      Object.keys(cachePolicies)
        .map((name) => `${name}=3600`)
        .join(','),
    ]),
  ),
};

let stack: Stack;
let uncached: Pick<Stack, 'ask' | 'close'>;

beforeAll(async () => {
  stopClock();
  stack = await startStack({ env: CACHED });
  uncached = await stack.startAnother({ CACHE_MAX_MIB: '0' });
});
afterAll(async () => {
  resetClock();
  await uncached?.close();
  await stack?.close();
});
beforeEach(() => stack.reset());

const dataOf = async (ask: Stack['ask'], query: string): Promise<unknown> => {
  const { data, errors } = await ask(`{ ${query} }`);
  expect({ query, errors }).toEqual({ query, errors: undefined });
  return data;
};

/** Runs the queries one after the other and returns the responses. */
const answersOf = async (queries: readonly string[]): Promise<Map<string, unknown>> => {
  const answers = new Map<string, unknown>();
  for (const query of queries) answers.set(query, await dataOf(stack.ask, query));
  return answers;
};

const providerCalls = (): string[] => Object.values<Sandbox>(stack.sandboxes).flatMap(operationsOf);

type Effect = {
  /** The mutation's field, or a function that carries it out. */
  readonly write: string | (() => Promise<unknown>);
  /** Root fields that show the written object. */
  readonly shown: readonly string[];
  /** Root fields that do not show it. */
  readonly unrelated: readonly string[];
};

const expectEffect = async ({ write, shown, unrelated }: Effect): Promise<void> => {
  const before = await answersOf([...shown, ...unrelated]);
  stack.reset();
  expect(await answersOf([...shown, ...unrelated])).toEqual(before);
  expect(providerCalls()).toEqual([]);

  if (typeof write !== 'string') await write();
  else expect((await stack.ask(`mutation { ${write} }`)).errors).toBeUndefined();

  stack.reset();
  for (const query of shown) {
    const [after, now] = [await dataOf(stack.ask, query), await dataOf(uncached.ask, query)];
    expect({ query, after }).toEqual({ query, after: now });
    expect({ query, after }).not.toEqual({ query, after: before.get(query) });
  }
  stack.reset();
  for (const query of unrelated) expect(await dataOf(stack.ask, query)).toEqual(before.get(query));
  expect(providerCalls()).toEqual([]);
};

const [ada, bjorn, , dilnoza] = company.people;
const ofPerson = (fields: string) => (id: string) => `customer(id: "${id}") { id ${fields} }`;
const ofAddress = (fields: string) => (email: string) => `customer(email: "${email}") { id ${fields} }`;

describe('createCustomer', () => {
  const EMAIL = 'Zenobia.New@customers.example';
  const nextId = String(Math.max(...company.people.map(({ id }) => Number(id))) + 1);
  const FIELDS = 'email firstName company { name }';

  test('makes the customer visible by id, by address and in lists', async () => {
    await expectEffect({
      write: `createCustomer(input: { email: "${EMAIL}", firstName: "Zenobia", companyId: "9003" }) { customer { id } }`,
      shown: [
        ofPerson(FIELDS)(nextId),
        ofAddress(FIELDS)(EMAIL),
        `customers(filter: { text: "Zenobia" }) { edges { node { ${FIELDS} } } }`,
      ],
      unrelated: [
        ofPerson(FIELDS)('101'),
        ofAddress(FIELDS)(bjorn?.email ?? ''),
        'company(id: "9003") { name }',
        'deals(first: 3) { edges { node { id } } }',
        'payments(first: 3) { edges { node { id } } }',
        'product(sku: "FEKN-M") { name stock { quantity } }',
      ],
    });
  });

  test('given an unknown outcome, then the change is visible too', async () => {
    const email = 'zita.lost@customers.example';
    await expectEffect({
      write: async () => {
        stack.hubspot.fail({ on: 'POST /crm/objects/2026-09/contacts', times: 1, drop: 'after' });
        stack.hubspot.fail({ on: 'batch/read', status: 500 });
        const { errors } = await stack.ask(
          `mutation { createCustomer(input: { email: "${email}", firstName: "Zita" }) { customer { id } } }`,
        );
        expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
      },
      shown: [ofAddress('firstName')(email), 'customers(filter: { text: "Zita" }) { edges { node { firstName } } }'],
      unrelated: [ofPerson('firstName')('101'), 'deals(first: 3) { edges { node { id } } }'],
    });
  });
});

describe('updateCustomer', () => {
  const FIELDS = 'email phone';
  const unrelated = [
    ofPerson('phone')('103'),
    ofAddress('phone')(dilnoza?.email ?? ''),
    'company(id: "9002") { name }',
    'deal(id: "50001") { id stage lineItems { id } }',
    'deals(first: 3) { edges { node { id stage } } }',
    'payments(first: 3) { edges { node { id } } }',
  ];

  test('makes the change visible by id, by address, in lists, and at deals and payments', async () => {
    await expectEffect({
      write: 'updateCustomer(input: { id: "101", phone: "+46 1" }) { customer { id } }',
      shown: [
        ofPerson(FIELDS)('101'),
        ofAddress(FIELDS)(ada?.email ?? ''),
        `customers(first: 2) { edges { node { ${FIELDS} } } }`,
        `customers(first: 2, filter: { text: "Lindqvist" }) { edges { node { ${FIELDS} } } }`,
        `deal(id: "50001") { customers { ${FIELDS} } }`,
        `payment(id: "${paymentOf(0)}") { customer { ${FIELDS} } }`,
      ],
      unrelated,
    });
  });

  test('given a new address, then the customer is found at the new address only', async () => {
    const [old, next] = [bjorn?.email ?? '', 'bjorn.moved@customers.example'];
    await expectEffect({
      write: `updateCustomer(input: { id: "102", email: "${next}" }) { customer { id } }`,
      shown: [
        ofPerson(FIELDS)('102'),
        ofAddress(FIELDS)(old),
        ofAddress(FIELDS)(next),
        `customers(first: 2) { edges { node { ${FIELDS} } } }`,
      ],
      unrelated,
    });
  });

  test('given a merge into another customer, then that one is read again', async () => {
    const other = ofPerson('lastName phone')('104');
    await dataOf(stack.ask, other);
    stack.reset();
    stack.hubspot.fail({ on: 'PATCH', rewrite: (body) => body.replace('"id":"105"', '"id":"104"') });
    const write = 'updateCustomer(input: { id: "105", phone: "+46 5" }) { customer { id lastName } }';
    expect((await stack.ask(`mutation { ${write} }`)).data).toEqual({
      updateCustomer: { customer: { id: '104', lastName: dilnoza?.lastName } },
    });
    expect(stack.hubspot.calls.map(({ operation, keys }) => [operation, keys])).toContainEqual([
      'POST /crm/objects/2026-09/contacts/batch/read',
      ['104'],
    ]);
  });

  test('given an unknown outcome, then the change is visible too', async () => {
    await expectEffect({
      write: async () => {
        stack.hubspot.fail({ on: 'PATCH', times: 1, drop: 'after' });
        stack.hubspot.fail({ on: 'batch/read', status: 500 });
        const { errors } = await stack.ask(
          'mutation { updateCustomer(input: { id: "101", phone: "+46 7" }) { customer { id } } }',
        );
        expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
      },
      shown: [ofPerson(FIELDS)('101'), `customers(first: 2) { edges { node { ${FIELDS} } } }`],
      unrelated,
    });
  });
});

describe('updateDeal', () => {
  const FIELDS = 'name stage status';

  test('makes the change visible by id, in lists and at its customer', async () => {
    await expectEffect({
      write: 'updateDeal(input: { id: "50001", name: "Renamed", stage: "closedwon" }) { deal { id } }',
      shown: [
        `deal(id: "50001") { ${FIELDS} }`,
        `deals(first: 2) { edges { node { ${FIELDS} } } }`,
        `deals(first: 2, filter: { text: "Renamed" }) { edges { node { ${FIELDS} } } }`,
        `deals(first: 2, filter: { stage: "qualifiedtobuy" }) { edges { node { id } } }`,
        `customer(id: "101") { deals(first: 20) { edges { node { ${FIELDS} } } } }`,
      ],
      unrelated: [
        'deal(id: "50002") { id stage lineItems { id product { sku } } customers { id } company { name } }',
        'customers(first: 3) { edges { node { id phone } } }',
        ofPerson('phone')('101'),
        'payments(first: 3) { edges { node { id } } }',
      ],
    });
  });

  test('given a merge into another deal, then that one is read again', async () => {
    await dataOf(stack.ask, 'deal(id: "50004") { name }');
    stack.reset();
    stack.hubspot.fail({ on: 'PATCH', rewrite: (body) => body.replace('"id":"50005"', '"id":"50004"') });
    const write = 'updateDeal(input: { id: "50005", stage: "contractsent" }) { deal { id name } }';
    expect((await stack.ask(`mutation { ${write} }`)).data).toEqual({
      updateDeal: { deal: { id: '50004', name: company.deals[3]?.name } },
    });
    expect(stack.hubspot.calls.map(({ operation, keys }) => [operation, keys])).toContainEqual([
      'POST /crm/objects/2026-09/deals/batch/read',
      ['50004'],
    ]);
  });

  test('given an unknown outcome, then the change is visible too', async () => {
    await expectEffect({
      write: async () => {
        stack.hubspot.fail({ on: 'PATCH', times: 1, drop: 'after' });
        stack.hubspot.fail({ on: 'batch/read', status: 500 });
        const { errors } = await stack.ask(
          'mutation { updateDeal(input: { id: "50002", name: "Lost" }) { deal { id } } }',
        );
        expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
      },
      shown: ['deal(id: "50002") { name }', 'deals(first: 2) { edges { node { name } } }'],
      unrelated: ['deal(id: "50003") { name }', 'customers(first: 3) { edges { node { id } } }'],
    });
  });
});

const paymentOf = (index: number): string =>
  company.accounts.find(({ email }) => email?.toLowerCase() === company.people[index]?.email)?.payments[0]?.id ?? '';

describe('payments', () => {
  const FIELDS = 'id status amountReceived { amount } amountRefunded { amount } refunds { id }';
  const PAYMENTS = `payments(first: 50) { edges { node { ${FIELDS} } } }`;
  // The affected customers, and an unrelated one.
  const [chloe, hana, iris] = [company.people[2], company.people[7], company.people[8]].map((one) => one?.email ?? '');
  const SEVERAL = `customers(first: 12) { edges { node { id payments(first: 50) { edges { node { ${FIELDS} } } } } } }`;
  const shownAnywhere = [
    `payments(first: 50) { edges { node { ${FIELDS} } } }`,
    ofAddress(PAYMENTS)(chloe ?? ''),
    // Accounts of several customers are searched together.
    SEVERAL,
  ];
  const unrelated = [
    `payment(id: "${paymentOf(7)}") { ${FIELDS} }`,
    ofAddress(`${PAYMENTS} invoices { edges { node { id } } } paymentAccounts { id }`)(hana ?? ''),
    ofAddress('invoices { edges { node { id } } } paymentAccounts { id } balances { amount }')(chloe ?? ''),
    'customers(first: 3) { edges { node { id phone } } }',
    'product(sku: "FEKN-M") { name stock { quantity } }',
  ];
  const listed = (status: string) =>
    `payments(first: 50, filter: { status: ${status} }) { edges { node { ${FIELDS} } } }`;

  let keys = 0;
  /** Creates a payment and returns its id. */
  const pay = async (email: string, more = ''): Promise<string> => {
    keys += 1;
    const { data } = await stack.ask<{ createPayment: { payment: { id: string } } }>(
      `mutation { ${create(email, `made-${keys}`, more)} }`,
    );
    return data?.createPayment.payment.id ?? '';
  };
  const create = (email: string, key: string, more = ''): string =>
    `createPayment(input: { customerEmail: "${email}", amount: { amount: "40.00", currency: "EUR" },
      paymentMethodId: "pm_card_visa", idempotencyKey: "${key}" ${more} }) { payment { id } }`;
  const MANUAL = 'captureMethod: MANUAL';
  /** Sends a mutation whose responses are all lost, including those of its retries. */
  const lose = (mutation: string) => async () => {
    stack.stripe.fail({ on: 'POST', drop: 'after' });
    const { errors } = await stack.ask(`mutation { ${mutation} }`);
    expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
  };

  describe('createPayment', () => {
    test('makes the payment visible in the list of all and in its customer’s list', async () => {
      await expectEffect({
        write: create(chloe ?? '', 'shown'),
        shown: [...shownAnywhere, listed('SUCCEEDED')],
        unrelated,
      });
    });

    test('given an unknown outcome, then the change is visible too', async () => {
      await expectEffect({ write: lose(create(chloe ?? '', 'lost')), shown: shownAnywhere, unrelated });
    });

    test('given an id that was cached as unknown, then the payment is found', async () => {
      const id = await pay(chloe ?? '');
      const payment = `payment(id: "${id}") { ${FIELDS} }`;
      // A lagging replica.
      const unknown = {
        error: { type: 'invalid_request_error', code: 'resource_missing', message: 'No such payment' },
      };
      stack.stripe.fail({ on: '{id}', status: 404, body: JSON.stringify(unknown) });
      expect(await dataOf(stack.ask, payment)).toEqual({ payment: null });
      await expectEffect({ write: create(chloe ?? '', `made-${keys}`), shown: [payment], unrelated });
    });

    test('given a customer without a Stripe customer, then the new one and its payment are visible', async () => {
      await expectEffect({
        write: create(iris ?? '', 'first'),
        shown: [
          ofAddress(`${PAYMENTS} paymentAccounts { id }`)(iris ?? ''),
          'customers(first: 12) { edges { node { id paymentAccounts { id } } } }',
        ],
        unrelated,
      });
    });
  });

  test('createPayment: given a new Stripe customer that the search does not find yet, then it is visible', async () => {
    const lagging = await startStack({ env: CACHED, stripe: { searchLagMs: 3_600_000 } });
    try {
      const accounts = `{ ${ofAddress('paymentAccounts { id }')(iris ?? '')} }`;
      const none = { customer: { id: '109', paymentAccounts: [] } };
      expect((await lagging.ask(accounts)).data).toEqual(none);
      expect((await lagging.ask(`mutation { ${create(iris ?? '', 'lagging')} }`)).errors).toBeUndefined();
      expect((await lagging.ask(accounts)).data).toEqual({
        customer: { id: '109', paymentAccounts: [{ id: expect.stringMatching(/^cus_/) }] },
      });
    } finally {
      await lagging.close();
    }
  });

  describe.each([
    ['capturePayment', 'SUCCEEDED'],
    ['cancelPayment', 'CANCELED'],
  ])('%s', (mutation, status) => {
    test('makes the change visible by id and in every list', async () => {
      const id = await pay(chloe ?? '', MANUAL);
      await expectEffect({
        write: `${mutation}(input: { paymentId: "${id}", idempotencyKey: "${mutation}" }) { payment { id } }`,
        shown: [`payment(id: "${id}") { ${FIELDS} }`, ...shownAnywhere, listed('REQUIRES_CAPTURE'), listed(status)],
        unrelated,
      });
    });

    test('given an unknown outcome, then the change is visible too, for any customer', async () => {
      const id = await pay(chloe ?? '', MANUAL);
      await expectEffect({
        write: lose(
          `${mutation}(input: { paymentId: "${id}", idempotencyKey: "${mutation}-lost" }) { payment { id } }`,
        ),
        shown: [`payment(id: "${id}") { ${FIELDS} }`, ...shownAnywhere],
        unrelated: unrelated.filter((query) => !query.includes(PAYMENTS)),
      });
    });
  });

  describe('refundPayment', () => {
    const refund = (id: string, key: string) =>
      `refundPayment(input: { paymentId: "${id}", amount: { amount: "1.00", currency: "EUR" }, idempotencyKey: "${key}" }) {
        refund { id }
      }`;

    test('makes the change visible by id and in every list', async () => {
      const id = await pay(chloe ?? '');
      await expectEffect({
        write: refund(id, 'refund'),
        shown: [`payment(id: "${id}") { ${FIELDS} }`, ...shownAnywhere],
        unrelated,
      });
    });

    test('given more refunds than the payment includes, then the new one is visible', async () => {
      const id = await pay(chloe ?? '');
      for (let count = 0; count < 11; count += 1) await stack.ask(`mutation { ${refund(id, `many-${count}`)} }`);
      await expectEffect({
        write: refund(id, 'many'),
        shown: [`payment(id: "${id}") { refunds { id } }`],
        unrelated,
      });
    });

    test('given a response without the customer, then the change is visible in all customers’ lists', async () => {
      const id = await pay(chloe ?? '');
      await expectEffect({
        write: async () => {
          const rewrite = (body: string) => JSON.stringify({ ...JSON.parse(body), payment_intent: null });
          stack.stripe.fail({ on: 'POST /v1/refunds', rewrite });
          expect((await stack.ask(`mutation { ${refund(id, 'nameless')} }`)).errors).toBeUndefined();
        },
        shown: [`payment(id: "${id}") { ${FIELDS} }`, ...shownAnywhere],
        unrelated: unrelated.filter((query) => !query.includes(PAYMENTS)),
      });
    });
  });
});

describe('given one operation with two writes, then each returns its own result', () => {
  const pay = (alias: string) =>
    `${alias}: createPayment(input: { customerEmail: "${ada?.email}", amount: { amount: "3.00", currency: "EUR" },
      paymentMethodId: "pm_card_visa", idempotencyKey: "twice-${alias}" }) {
      payment { customer { payments(first: 50) { edges { cursor } } } }
    }`;
  const countOf = (data: unknown) => JSON.stringify(data).split('cursor').length;

  test.each([
    [
      'updateCustomer',
      (value: string) => `(input: { id: "106", phone: "${value}" }) { customer { lastName phone } }`,
      ['1', '2'],
    ],
    [
      'updateDeal',
      (value: string) => `(input: { id: "50010", name: "${value}" }) { deal { stage name } }`,
      ['One', 'Two'],
    ],
    [
      'setStock',
      (value: string) => `(input: { sku: "FEKN-M", quantity: ${value} }) { product { name stock { quantity } } }`,
      ['1', '2'],
    ],
  ] as const)('%s', async (mutation, write, [one, two]) => {
    const { data, errors } = await stack.ask<Record<'a' | 'b', unknown>>(
      `mutation { a: ${mutation}${write(one)} b: ${mutation}${write(two)} }`,
    );
    expect(errors).toBeUndefined();
    expect(JSON.stringify(data?.a)).toMatch(new RegExp(`:"?${one}"?}`));
    expect(JSON.stringify(data?.b)).toMatch(new RegExp(`:"?${two}"?}`));
  });

  test('createPayment', async () => {
    const { data, errors } = await stack.ask<Record<'a' | 'b', unknown>>(`mutation { ${pay('a')} ${pay('b')} }`);
    expect(errors).toBeUndefined();
    expect(countOf(data?.b)).toBe(countOf(data?.a) + 1);
  });
});

describe('setStock', () => {
  const [SKU, OTHER] = ['COPA-M', 'STCL-XL'];
  const unrelated = [
    `product(sku: "${OTHER}") { stock { quantity } }`,
    `product(sku: "${SKU}") { name }`,
    'deals(first: 3) { edges { node { id } } }',
  ];

  test('makes the stock visible at the product, in a list, and at a deal’s line items', async () => {
    await expectEffect({
      write: `setStock(input: { sku: "${SKU}", quantity: 12.5 }) { product { sku } }`,
      shown: [
        `product(sku: "${SKU}") { stock { quantity } }`,
        `products(skus: ["${OTHER}", "${SKU}"]) { stock { quantity } }`,
        'deal(id: "50001") { lineItems { product { stock { quantity } } } }',
      ],
      unrelated,
    });
  });

  test('given a change of inStock only, then it is visible', async () => {
    const product = `product(sku: "${SKU}") { stock { quantity inStock } }`;
    await expectEffect({
      write: `setStock(input: { sku: "${SKU}", inStock: false }) { product { stock { inStock } } }`,
      shown: [product],
      unrelated,
    });
  });

  test('given an unknown outcome, then the change is visible too', async () => {
    await expectEffect({
      write: async () => {
        stack.openmage.fail({ on: 'catalogInventoryStockItemUpdate', times: 1, drop: 'after' });
        const { errors } = await stack.ask(
          `mutation { setStock(input: { sku: "${SKU}", quantity: 3, backorderPolicy: NO }) { product { sku } } }`,
        );
        expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
      },
      shown: [`product(sku: "${SKU}") { stock { quantity } }`],
      unrelated,
    });
  });
});
