import { afterEach, expect, test } from 'vitest';
import { operationsOf, type Stack, type StackOptions, startStack } from '../helpers/stack.ts';

const OAUTH = { clientId: 'app', clientSecret: 'app-secret', refreshToken: 'refresh-me' };
const ENV = {
  HUBSPOT_ACCESS_TOKEN: '',
  HUBSPOT_CLIENT_ID: OAUTH.clientId,
  HUBSPOT_CLIENT_SECRET: OAUTH.clientSecret,
  HUBSPOT_REFRESH_TOKEN: OAUTH.refreshToken,
};
const ASK = '{ customer(id: "101") { firstName } }';
const TOKEN = 'POST /oauth/2026-09/token';

let stack: Stack;
const start = async (options: StackOptions) => {
  stack = await startStack(options);
  return stack;
};
afterEach(() => stack.close());

const refreshes = () => operationsOf(stack.hubspot).filter((operation) => operation === TOKEN).length;

test('given an OAuth app and twenty concurrent requests, then one token serves all', async () => {
  const { ask } = await start({ env: ENV, hubspot: { oauth: OAUTH } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(ASK)));
  for (const { data } of answers) expect(data).toEqual({ customer: { firstName: 'Ada' } });
  expect(refreshes()).toBe(1);
});

test('given a revoked token, then a new one is acquired and the call is repeated', async () => {
  const { ask, hubspot } = await start({ env: ENV, hubspot: { oauth: OAUTH } });
  await ask(ASK);
  hubspot.fail({ on: 'contacts', status: 401, times: 1 });
  const { errors } = await ask(ASK);
  expect(errors).toBeUndefined();
  expect(refreshes()).toBe(2);
});

test('given a token lifetime below the renewal margin, then each request gets a new token', async () => {
  const { ask } = await start({ env: ENV, hubspot: { oauth: OAUTH, tokenLifetimeS: 30 } });
  await ask(ASK);
  const { errors } = await ask(ASK);
  expect(errors).toBeUndefined();
  expect(refreshes()).toBe(2);
});

test('given a rejected refresh token, then the error is UPSTREAM_UNAUTHORIZED, and it is tried again', async () => {
  const { ask, hubspot } = await start({ env: ENV, hubspot: { oauth: { ...OAUTH, refreshToken: 'another' } } });
  for (const round of [1, 2]) {
    const { errors, text } = await ask(ASK);
    expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_UNAUTHORIZED');
    expect(text).not.toContain('refresh-me');
    expect(operationsOf(hubspot)).toEqual(Array(round).fill(TOKEN));
  }
});

test('given a private app with a rejected token, then the call is not repeated', async () => {
  const { ask, hubspot } = await start({ env: { HUBSPOT_ACCESS_TOKEN: 'pat-wrong' } });
  const { errors } = await ask(ASK);
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_UNAUTHORIZED');
  expect(hubspot.calls).toHaveLength(1);
});
