import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../sandbox/server.ts';
import { HUBSPOT_SANDBOX_TOKEN, startHubSpotSandbox } from '../../subgraphs/crm/hubspot/sandbox/index.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startHubSpotSandbox();
});
afterEach(() => sandbox.close());

const call = (
  path: string,
  body?: unknown,
  { method = body ? 'POST' : 'GET', token = HUBSPOT_SANDBOX_TOKEN, at = sandbox } = {},
) =>
  fetch(`${at.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

const batch = (ids: string[], more: object = {}) => ({
  inputs: ids.map((id) => ({ id })),
  properties: ['email'],
  ...more,
});

test('a batch read returns 200 in its own order, with only the requested properties', async () => {
  const response = await call('/crm/objects/2026-09/contacts/batch/read', batch(['101', '105', '103']));
  expect(response.status).toBe(200);
  const { results } = (await response.json()) as { results: { id: string; properties: object }[] };
  expect(results.map(({ id }) => id)).toEqual(['105', '103', '101']);
  expect(Object.keys(results[0]?.properties ?? {}).sort()).toEqual([
    'createdate',
    'email',
    'hs_lastmodifieddate',
    'hs_object_id',
  ]);
});

test('a batch read with an unknown id returns 207 and names it', async () => {
  const response = await call('/crm/objects/2026-09/contacts/batch/read', batch(['101', '999999']));
  expect(response.status).toBe(207);
  expect(await response.json()).toMatchObject({
    status: 'COMPLETE',
    results: [{ id: '101' }],
    numErrors: 1,
    errors: [{ category: 'OBJECT_NOT_FOUND', context: { ids: ['999999'] } }],
  });
});

test('addresses are case-insensitive', async () => {
  const response = await call(
    '/crm/objects/2026-09/contacts/batch/read',
    batch(['ADA.lindqvist@customers.example'], { idProperty: 'email' }),
  );
  expect(await response.json()).toMatchObject({ results: [{ id: '101' }] });
});

test.each([
  ['2026-09', 'text', '/crm/associations/2026-09', '9001'],
  ['v4', 'numbers', '/crm/v4/associations', 9001],
])('associations in %s return %s as ids, and 207 for records without any', async (_, __, root, toObjectId) => {
  const response = await call(`${root}/contacts/companies/batch/read`, { inputs: [{ id: '101' }, { id: '115' }] });
  expect(response.status).toBe(207);
  expect(await response.json()).toMatchObject({
    results: [{ from: { id: '101' }, to: [{ toObjectId, associationTypes: [{ label: 'Primary' }, {}] }] }],
    errors: [{ subCategory: 'crm.associations.NO_ASSOCIATIONS_FOUND', context: { fromObjectId: ['115'] } }],
  });
});

describe('rejects', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, index) => String(index));
  test.each([
    ['101 ids', '/crm/objects/2026-09/contacts/batch/read', batch(ids(101)), 'POST', 400, 'VALIDATION_ERROR'],
    [
      'an unknown property',
      '/crm/objects/2026-09/contacts',
      { properties: { shoe_size: '44' } },
      'POST',
      400,
      'VALIDATION_ERROR',
    ],
    [
      'a broken address',
      '/crm/objects/2026-09/contacts',
      { properties: { email: 'x' } },
      'POST',
      400,
      'VALIDATION_ERROR',
    ],
    [
      'an address twice',
      '/crm/objects/2026-09/contacts',
      { properties: { email: 'ada.lindqvist@customers.example' } },
      'POST',
      409,
      'CONFLICT',
    ],
    [
      'an unknown record',
      '/crm/objects/2026-09/deals/1',
      { properties: { dealname: 'x' } },
      'PATCH',
      404,
      'OBJECT_NOT_FOUND',
    ],
    [
      'a search of 6 groups',
      '/crm/objects/2026-09/deals/search',
      { filterGroups: Array(6).fill({ filters: [] }) },
      'POST',
      400,
      'VALIDATION_ERROR',
    ],
    [
      'the 10,001st result',
      '/crm/objects/2026-09/deals/search',
      { limit: 100, after: '9950' },
      'POST',
      400,
      'VALIDATION_ERROR',
    ],
  ])('%s', async (_, path, body, method, status, category) => {
    const response = await call(path, body, { method });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ status: 'error', category, correlationId: expect.any(String) });
  });

  test('a wrong token', async () => {
    const response = await call('/crm/objects/2026-09/contacts', undefined, { token: 'other' });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ category: 'INVALID_AUTHENTICATION' });
  });
});

test('given too many requests, then it returns 429 with the policy until the window is over', async () => {
  let now = 0;
  const strict = await startHubSpotSandbox({
    now: () => now,
    quota: { account: { calls: 3, windowMs: 10_000 }, search: { calls: 1, windowMs: 1_000 } },
  });
  const get = () => call('/crm/objects/2026-09/contacts?limit=1', undefined, { at: strict });
  expect((await get()).headers.get('x-hubspot-ratelimit-remaining')).toBe('2');
  const find = () => call('/crm/objects/2026-09/contacts/search', { limit: 1 }, { at: strict });
  const found = await find();
  expect([found.status, found.headers.get('x-hubspot-ratelimit-remaining')]).toEqual([200, null]);
  expect(await (await find()).json()).toMatchObject({ errorType: 'RATE_LIMIT', policyName: 'SECONDLY' });
  const over = await get();
  expect(over.status).toBe(429);
  expect(over.headers.get('x-hubspot-ratelimit-max')).toBe('3');
  expect(await over.json()).toMatchObject({ errorType: 'RATE_LIMIT', policyName: 'TEN_SECONDLY_ROLLING' });
  now = 10_001;
  expect((await get()).status).toBe(200);
  await strict.close();
});
