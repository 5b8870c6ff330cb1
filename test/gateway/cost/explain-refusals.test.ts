import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Answer, codesOf, type Stack, startStack } from '../../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../../helpers/tokens.ts';

/* An operation that is meant to be explained is never executed, whether or not it is explained. */

const WRITE = 'mutation Write($id: ID!) { updateDeal(input: { id: $id, name: "x" }) { deal { id } } }';
const EXPLAIN = { 'x-tributary-explain': '1' };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: TOKEN_ENV });
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const explanationOf = ({ text }: Answer<unknown>): unknown => JSON.parse(text).extensions?.tributary?.explain;

test('given CALL_REPORT=off, then every value of the header is refused', async () => {
  const { ask, close } = await stack.startAnother({ CALL_REPORT: 'off' });
  for (const value of ['1', '0', '']) {
    const answer = await ask(WRITE, { id: '1' }, { headers: { 'x-tributary-explain': value } });
    expect([answer.status, codesOf(answer.errors)]).toEqual([403, [['FORBIDDEN', undefined]]]);
  }
  expect(stack.hubspot.calls).toEqual([]);
  await close();
});

test.each([
  ['invalid variables', { id: {} }, ['deals:read', 'deals:write'], 'BAD_USER_INPUT'],
  ['fields that the client may not read', { id: '1' }, ['customers:read'], 'UNAUTHORIZED_FIELD_OR_TYPE'],
])('given %s, then the error is that of the operation, without an explanation', async (_, variables, scopes, code) => {
  const answer = await stack.ask(WRITE, variables, { headers: { ...EXPLAIN, ...headersOf({ scopes }) } });
  expect(codesOf(answer.errors)).toEqual([[code, undefined]]);
  expect(explanationOf(answer)).toBeUndefined();
  expect(stack.hubspot.calls).toEqual([]);
});

test('given a mutation with GET, then it is refused as without the header', async () => {
  const url = `${stack.url}/graphql?query=${encodeURIComponent('mutation { updateDeal(input: { id: "1" }) { deal { id } } }')}`;
  const { status } = await fetch(url, { headers: { ...EXPLAIN, 'apollo-require-preflight': '1' } });
  expect(status).toBe(405);
  expect(stack.hubspot.calls).toEqual([]);
});
