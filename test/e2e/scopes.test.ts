import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { ANONYMOUS, type Identity } from '../../subgraphs/kit/identity.ts';
import { maskAnswer, selectAll } from '../helpers/crawl.ts';
import { NO_ANSWER_LIMITS } from '../helpers/no-limits.ts';
import { ADMINISTRATOR, customer, EMPLOYEES, type PeopleGateway, startGatewayForPeople } from '../helpers/people.ts';
import { fieldsWith } from '../helpers/scopes.ts';
import { operationsOf, type Stack, startStack } from '../helpers/stack.ts';

/*
 * People ask for everything. Each gets what an administrator gets, without the fields that their scopes do not reach, with an
 * error for each of these.
 */

const company = createCompany();
const [ada] = company.people;
const [account] = company.accounts;
const invoice = company.accounts.flatMap(({ invoices }) => invoices)[0];

/** The root fields with arguments, and the type of their objects. */
const QUERIES = [
  [`customer(id: "${ada?.id}")`, 'Customer'],
  [`customer(email: "${ada?.email}")`, 'Customer'],
  ['customers(first: 5)', 'CustomerConnection'],
  [`company(id: "${ada?.organisationId}")`, 'Company'],
  ['deal(id: "50003")', 'Deal'],
  ['deals(first: 5)', 'DealConnection'],
  [`payment(id: "${account?.payments[0]?.id}")`, 'Payment'],
  ['payments(first: 5)', 'PaymentConnection'],
  [`invoice(id: "${invoice?.id}")`, 'Invoice'],
  ['product(sku: "OABR-S")', 'Product'],
  ['products(skus: ["OABR-S", "OABR-M"])', 'Product'],
] as const;

const MUTATIONS = [
  'createCustomer(input: { email: "new.person@customers.example" }) { customer { id } }',
  `updateCustomer(input: { id: "${ada?.id}", phone: "1" }) { customer { id } }`,
  'updateDeal(input: { id: "50003", name: "Renamed" }) { deal { id } }',
  'setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } }',
  `createPayment(input: { customerEmail: "${ada?.email}", amount: { amount: "9", currency: "SEK" }, idempotencyKey: "s-1" }) {
    payment { id } clientSecret }`,
  `capturePayment(input: { paymentId: "${account?.payments[3]?.id}", idempotencyKey: "s-2" }) { payment { id } }`,
  `refundPayment(input: { paymentId: "${account?.payments[0]?.id}", idempotencyKey: "s-3" }) { refund { id } payment { id } }`,
  `cancelPayment(input: { paymentId: "${account?.payments[4]?.id}", idempotencyKey: "s-4" }) { payment { id } }`,
] as const;

const everything = fieldsWith(ADMINISTRATOR.scopes);

const withScopes = (...scopes: string[]): Identity => ({
  ...ADMINISTRATOR,
  subject: `holder of ${scopes.join(' and ')}`,
  scopes: new Set(scopes),
});

const PEOPLE: readonly Identity[] = [
  ...EMPLOYEES,
  ...['customers:read', 'deals:read', 'payments:read', 'inventory:read'].map((scope) => withScopes(scope)),
  withScopes('payments:write', 'payments:refund', 'customers:write', 'deals:write', 'inventory:write'),
  ANONYMOUS,
  // Not a customer, so that nobody's data are own.
  withScopes('self:read'),
];

/** Where nothing of an operation is left, there are no data at all. */
const nothingOf = (field: string) => ({ [/^\w+/.exec(field)?.[0] ?? '']: null });

const fieldsOfPerson = ({ scopes }: Identity) =>
  fieldsWith(new Set([...scopes].filter((scope) => scope !== 'self:read')));

// Scopes are enforced by the gateway's authorization.
describe('scopes', () => {
  let stack: Stack;
  let gateway: PeopleGateway;
  beforeAll(async () => {
    stack = await startStack();
    gateway = await startGatewayForPeople({ ...stack.env, ...NO_ANSWER_LIMITS, CACHE_MAX_MIB: '64' });
  });
  afterAll(async () => {
    await gateway.close();
    await stack.close();
  });

  describe.each(PEOPLE.map((identity) => [identity.subject, identity] as const))('%s', (_, identity) => {
    const allowed = fieldsOfPerson(identity);

    test.each(QUERIES)('%s', async (field, type) => {
      const query = `{ ${field} { ${selectAll(type, everything, 7)} } }`;
      const { data: all, errors: failures } = await gateway.as(ADMINISTRATOR)(query);
      expect(failures).toBeUndefined();
      const { data, errors = [] } = await gateway.as(identity)(query);
      const expected = maskAnswer(all, allowed);
      expect(data ?? nothingOf(field)).toEqual(expected);
      expect(new Set(errors.map(({ extensions }) => extensions?.['code']))).toEqual(
        new Set(JSON.stringify(expected) === JSON.stringify(all) ? [] : ['UNAUTHORIZED_FIELD_OR_TYPE']),
      );
    });

    test.each(MUTATIONS.filter((mutation) => !allowed.has(`Mutation.${/^\w+/.exec(mutation)?.[0]}`)))(
      '%s is refused, and no provider is called',
      async (mutation) => {
        stack.reset();
        const { data, errors } = await gateway.as(identity)(`mutation { it: ${mutation} }`);
        expect(data?.['it'] ?? null).toBe(null);
        expect(errors?.map(({ extensions }) => extensions?.['code'])).toContain('UNAUTHORIZED_FIELD_OR_TYPE');
        expect(Object.values(stack.sandboxes).flatMap(operationsOf)).toEqual([]);
      },
    );
  });

  test('a customer does not see stock, even of their own deals’ products', async () => {
    const { data, errors } = await gateway.as(customer(ada?.email ?? ''))(
      '{ product(sku: "OABR-S") { sku } deals { edges { node { lineItems { product { sku name stock { quantity } } } } } } }',
    );
    const text = JSON.stringify(data);
    expect(text).toMatch(/"name":"\w+/);
    expect(text).toContain('"product":null');
    expect(text).not.toContain('"quantity"');
    expect(new Set(errors?.map(({ extensions }) => extensions?.['code']))).toEqual(
      new Set(['UNAUTHORIZED_FIELD_OR_TYPE']),
    );
  });

  // Last, as they change data.
  test.each(MUTATIONS.slice(0, -1))('an administrator may: %s', async (mutation) => {
    const { errors } = await gateway.as(ADMINISTRATOR)(`mutation { it: ${mutation} }`);
    expect(errors?.map(({ extensions }) => extensions?.['code']) ?? []).not.toContain('UNAUTHORIZED_FIELD_OR_TYPE');
  });
});
