import { describe, expect, test } from 'vitest';
import { type ClaimNames, toIdentity } from '../../../gateway/auth/claims.ts';

/* What the claims of a verified token say about its sender. */

const NAMES: ClaimNames = { subject: 'sub', scopes: ['scope', 'scp'] };

const scopesOf = (claims: object, scopes: readonly string[]) => [
  ...(toIdentity({ sub: 'ada', ...claims }, { ...NAMES, scopes })?.scopes ?? []),
];

describe('scopes', () => {
  test.each<[string, object, readonly string[], readonly string[]]>([
    ['text', { scope: 'payments:read  deals:read' }, ['scope'], ['payments:read', 'deals:read']],
    ['a list', { scp: ['payments:read', 'deals:read'] }, ['scp'], ['payments:read', 'deals:read']],
    ['two claims', { scope: 'a', scp: ['a', 'b'] }, ['scope', 'scp'], ['a', 'b']],
    ['a nested list', { realm_access: { roles: ['a', 'b'] } }, ['realm_access.roles'], ['a', 'b']],
    ['a claim with dots', { 'https://shop.example/roles': ['a'] }, ['https://shop.example/roles'], ['a']],
    ['a list with other values', { scp: ['a', 1, null, ['b'], { c: 1 }] }, ['scp'], ['a']],
    ['a number', { scope: 1 }, ['scope'], []],
    ['an object', { scope: { a: 1 } }, ['scope'], []],
    ['no claim', {}, ['scope'], []],
    ['a path through text', { scope: 'a' }, ['scope.length'], []],
  ])('from %s', (_, claims, names, expected) => {
    expect(scopesOf(claims, names)).toEqual(expected);
  });
});

describe('the tenant', () => {
  const tenantOf = (claims: object) => toIdentity({ sub: 'ada', ...claims }, { ...NAMES, tenant: 'org.id' });
  test('is what its claim says, or the default one', () => {
    expect(tenantOf({ org: { id: 'north' } })?.tenant).toBe('north');
    expect(tenantOf({})).toMatchObject({ subject: 'ada' });
    expect(tenantOf({})?.tenant).toBeUndefined();
  });

  test.each([[''], [7], [['north']], [null], ['x'.repeat(257)]])('given %j, then the token is not used', (id) => {
    expect(tenantOf({ org: { id } })).toBeUndefined();
  });
});

describe('the customer', () => {
  const customerOf = (claims: object) => toIdentity({ sub: 'ada', ...claims }, { ...NAMES, customerEmail: 'email' });
  test('is an address in ASCII lower case', () => {
    expect(customerOf({ email: 'Ada.Lindqvist@Customers.Example' })?.customerEmail).toBe(
      'ada.lindqvist@customers.example',
    );
    expect(customerOf({})?.customerEmail).toBeUndefined();
  });

  // Without an address, the identity would not be confined to a customer.
  test.each([
    ['no address', { email: 'ada' }],
    ['an empty one', { email: '' }],
    ['a list', { email: ['ada@customers.example'] }],
    ['null', { email: null }],
    ['a letter that only looks like k', { email: '\u212Aarl@customers.example' }],
    ['an address that is not verified', { email: 'ada@customers.example', email_verified: false }],
    ['an address that is not verified, as text', { email: 'ada@customers.example', email_verified: 'false' }],
  ])('given %s, then the token is not used', (_, claims) => {
    expect(customerOf(claims)).toBeUndefined();
  });
});
