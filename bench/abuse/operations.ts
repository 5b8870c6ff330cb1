/*
 * The costliest operations within the gateway's default limits, and operations that it must reject. A number makes each
 * one unique, so that no cache of documents or plans helps.
 */

export type Operation = { readonly query: string; readonly variables?: Readonly<Record<string, unknown>> };

export const repeat = (count: number, write: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');

const aliased = (count: number, field: string) => repeat(count, (index) => `a${index}: ${field}`);

/** Operations just within one limit each. */
export const WORST: Readonly<Record<string, (unique: number) => Operation>> = {
  '49,000 values of 400 customers': (unique) => ({
    query: `query U${unique} { ${repeat(4, (page) => `p${page}: customers(first: 100) { edges { node { ...C } } }`)} }
      fragment C on Customer { ${aliased(120, 'email')} }`,
  }),
  '9,900 objects through three providers': (unique) => ({
    query: `query U${unique} { customers(first: 50) { edges { node { email company { name } payments(first: 15) { edges { node {
      id amount { amount currency } amountReceived { amount } amountRefunded { amount } } } } deals(first: 2) { edges { node {
      name lineItems { quantity product { name stock { quantity } } } } } } } } } }`,
  }),
  '2,400 selections': (unique) => ({
    query: `query U${unique} { ${repeat(20, (index) => `p${index}: customer(id: "${101 + index}") { ...C }`)} }
      fragment C on Customer { ${aliased(10, 'payments(first: 1) { edges { node { id amount { amount currency } customer { email } } } }')} }`,
  }),
  '10,000 tokens of invalid fields': (unique) => ({
    query: `query U${unique} { customers { ${repeat(4_900, (index) => `nothing${index}`)} } }`,
  }),
  'fields of one name': (unique) => ({
    query: `query U${unique} { customers { ${repeat(700, () => 'pageInfo { endCursor }')} } }`,
  }),
  'three whole introspections': (unique) => ({
    query: `query U${unique} { ${repeat(
      3,
      (index) => `s${index}: __schema { types { name description fields(includeDeprecated: true) { name description
      args { name type { ...T } } type { ...T } } inputFields { name type { ...T } } enumValues { name } } }`,
    )} } fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`,
  }),
  '500 products, and 900 kB of variables that nothing reads': (unique) => ({
    query: `query U${unique}($skus: [ID!]!) { products(skus: $skus) { name ${aliased(15, 'stock { quantity inStock }')} } }`,
    variables: { skus: Array.from({ length: 500 }, (_, index) => `U${unique}-${index}`), unread: 'x'.repeat(900_000) },
  }),
  'a megabyte of bad variables': (unique) => ({
    query: `mutation U${unique}($input: SetStockInput!) { setStock(input: $input) { product { sku } } }`,
    variables: {
      input: Object.fromEntries(
        Array.from({ length: 19_900 }, (_, index) => [`unknown${unique}_${index}`.padEnd(42, '_'), index]),
      ),
    },
  }),
};

/** The operation of a regular client. */
export const POLITE: Operation = {
  query: `query Polite($id: ID!) { customer(id: $id) { firstName lastName email company { name }
    payments(first: 5) { edges { node { id status amount { amount currency } } } } } }`,
  variables: { id: '101' },
};

const nested = (levels: number, outer: string, inner: string): string =>
  `${outer.repeat(levels)} ${inner} ${'}'.repeat((outer.split('{').length - 1) * levels)}`;

const REFUSED_LIMIT = 'OPERATION_LIMIT_EXCEEDED';

/** Operations that the gateway must reject, with the error code. */
export const REFUSED: readonly { readonly name: string; readonly code: string; readonly operation: Operation }[] = [
  {
    name: '2.4 kB of fragments that spread each other',
    code: REFUSED_LIMIT,
    operation: {
      query: `{ customers { edges { node { ...F0 } } } } ${repeat(
        40,
        (index) => `fragment F${index} on Customer { ...F${index + 1} ...F${index + 1} }`,
      )} fragment F40 on Customer { email }`,
    },
  },
  {
    name: '274 bytes of nested lists (customers, deals, customers)',
    code: REFUSED_LIMIT,
    operation: {
      query: `{ customers(first: 100) { edges { node { ${nested(3, 'deals(first: 100) { edges { node { customers {', 'id')} } } } }`,
    },
  },
  {
    name: '326 bytes of nested lists (payments, customer, payments)',
    code: REFUSED_LIMIT,
    operation: {
      query: `{ payments(first: 100) { edges { node { ${nested(4, 'customer { payments(first: 100) { edges { node {', 'id')} } } } }`,
    },
  },
  { name: '10,000 root aliases', code: REFUSED_LIMIT, operation: { query: `{ ${aliased(10_000, '__typename')} }` } },
  {
    name: '120 aliases of __schema',
    code: REFUSED_LIMIT,
    operation: { query: `{ ${aliased(120, '__schema { types { fields { type { name } } } }')} }` },
  },
  {
    name: 'a document padded with a megabyte of comments',
    code: REFUSED_LIMIT,
    operation: { query: `{ __typename } #${'x'.repeat(1_000_000)}` },
  },
  {
    name: '100,000 brackets',
    code: REFUSED_LIMIT,
    operation: { query: `{ a(b: ${'['.repeat(49_000)}${']'.repeat(49_000)}) }` },
  },
  {
    name: 'a megabyte of variables with unknown fields',
    code: 'BAD_USER_INPUT',
    operation: WORST['a megabyte of bad variables']?.(0) ?? { query: '' },
  },
  {
    name: '650 kB of bad list items',
    code: 'PAYLOAD_TOO_LARGE',
    operation: {
      query: 'query($skus: [ID!]!) { products(skus: $skus) { sku } }',
      variables: { skus: Array.from({ length: 80_000 }, () => ({ a: 1 })) },
    },
  },
];
