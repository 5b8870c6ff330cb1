import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../helpers/processes.ts';
import { fieldsOf, fieldsWith, requirementsOf, SCOPES } from '../helpers/scopes.ts';

/* The scopes of the bundled domains, as their schemas require them. */

const SHARED = ['ExternalId', 'Money', 'PageInfo'];
const CUSTOMERS = ['Customer', 'CustomerConnection', 'CustomerEdge'];
const DEALS = ['Deal', 'DealConnection', 'DealEdge', 'LineItem'];
const PAYMENTS = ['Payment', 'PaymentConnection', 'PaymentEdge', 'Refund'];
const INVOICES = ['Invoice', 'InvoiceConnection', 'InvoiceEdge'];

const typesWith = (...scopes: string[]): string[] => [
  ...new Set([...fieldsWith(new Set(scopes))].map((field) => field.split('.')[0] ?? '')),
];

/** The types that can be reached with a scope alone. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  'customers:read': ['Query', ...CUSTOMERS, 'Company', 'ExternalId', 'PageInfo'],
  'deals:read': ['Query', ...DEALS, 'Company', 'Product', ...SHARED],
  // Invoices by their ids; those of a customer by way of the customer.
  'payments:read': ['Query', ...PAYMENTS, 'Invoice', ...SHARED],
  'inventory:read': ['Query', 'Product', 'Stock'],
  'self:read': [
    'Query',
    ...[...CUSTOMERS, ...DEALS, ...PAYMENTS, ...INVOICES],
    ...['Company', 'PaymentAccount', 'Product', ...SHARED],
  ],
  'payments:write': [],
  'payments:refund': [],
  'customers:write': [],
  'deals:write': [],
  'inventory:write': [],
};

const known = new Set(Object.values(REACHED).flat());

test.each(Object.entries(REACHED))('%s alone', (scope, types) => {
  expect(
    typesWith(scope)
      .filter((type) => known.has(type))
      .sort(),
  ).toEqual([...types].sort());
});

test('docs/security.md has every scope', () => {
  const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
  const documented = [...text.matchAll(/^\| `(\w+:\w+)` \|/gm)].map(([, scope]) => scope);
  expect(documented.sort()).toEqual(Object.keys(REACHED).sort());
});

test('nothing can be reached without a scope', () => {
  expect(fieldsWith(new Set())).toEqual(new Set());
});

test('everything can be reached with all scopes', () => {
  const all = fieldsWith(SCOPES);
  expect([...all].filter((field) => field.startsWith('Mutation.')).length).toBe(fieldsOf('Mutation').length);
  expect(all).toContain('CreatePaymentPayload.clientSecret');
  expect(all).toContain('Stock.quantity');
});

test('no write can be reached with scopes to read', () => {
  const read = [...SCOPES].filter((scope) => scope.endsWith(':read'));
  expect([...fieldsWith(new Set(read))].filter((field) => field.startsWith('Mutation.'))).toEqual([]);
});

test('a customer cannot reach the catalogue or stock', () => {
  const own = fieldsWith(new Set(['self:read']));
  expect([...own].filter((field) => /^Query\.product|^Product\.|^Stock\./.test(field)).sort()).toEqual([
    'Product.name',
    'Product.sku',
  ]);
});

test('a customer’s payments cannot be reached without the scope to read payments', () => {
  const fields = fieldsWith(new Set(['customers:read', 'deals:read', 'inventory:read']));
  expect([...fields].filter((field) => /^Customer\.(payment|balance|invoice)/.test(field))).toEqual([]);
});

describe.each(['Query', 'Mutation'])('%s', (typename) => {
  test.each(fieldsOf(typename).map((field) => [field.name.value, field] as const))(
    '%s: says its scopes',
    (_, field) => {
      const [, sentence = ''] = /Requires\s+the\s+scopes?\s([^.]*)\./.exec(field.description?.value ?? '') ?? [];
      const said = [...sentence.matchAll(/`(\w+:\w+)`/g)].map(([, scope]) => scope);
      // Of the field's requirement and that of its type, the narrower one counts.
      const [own = [], ofType = []] = requirementsOf(field);
      const required = own.flat().length > 0 ? own.flat() : ofType.flat();
      expect(said.sort()).toEqual([...required].sort());
    },
  );
});
