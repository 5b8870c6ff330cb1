import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerProblems, requestProblems } from '../helpers/hubspot-contract.ts';
import { startRecorder } from '../helpers/recorder.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* Every request to HubSpot, and the sandbox's response, must match the models of HubSpot's own client. */

const OAUTH = { clientId: 'app', clientSecret: 'app-secret', refreshToken: 'refresh-me' };

const READS = [
  // Associations come one per page.
  `{ customer(id: "101") { email company { name } deals(first: 5) { edges { node {
    status company { name } customers { id } lineItems { quantity product { sku } }
  } } } } }`,
  '{ customer(email: "ada.lindqvist@customers.example") { id } }',
  '{ customer(id: "9999999") { id company { id } } }',
];

const LISTS = [
  ['customers', ''],
  ['customers', ', filter: { lifecycleStage: LEAD }'],
  ['customers', ', filter: { text: "a" }'],
  ['deals', ''],
  ['deals', ', filter: { status: LOST }'],
] as const;

const CREATE = `mutation { createCustomer(input: { email: "new@customers.example", companyId: "9001" }) { customer { id } } }`;
const CREATE_LOST = 'mutation { createCustomer(input: { email: "lost@customers.example" }) { customer { id } } }';
const UPDATES = [
  'mutation { updateCustomer(input: { id: "102", phone: "+46 70 1" }) { customer { phone } } }',
  'mutation { updateDeal(input: { id: "50001", amount: "12.50" }) { deal { amount { amount } } } }',
];

type Recorder = Awaited<ReturnType<typeof startRecorder>>;

/** Runs every query and mutation that uses HubSpot. */
const askAll = async (stack: Stack, recorder: Recorder, env: Record<string, string>) => {
  const gateway = await stack.startAnother({ HUBSPOT_BASE_URL: recorder.url, ...env });
  const ask = async (query: string) => {
    const { data, errors } = await gateway.ask<Record<string, { pageInfo?: { endCursor: string } }>>(query);
    expect(errors).toBeUndefined();
    return data;
  };
  for (const query of READS) await ask(query);
  for (const [field, filter] of LISTS) {
    const page = (after: string) =>
      `{ ${field}(first: 2${filter}${after}) { edges { node { id } } pageInfo { endCursor } } }`;
    const first = await ask(page(''));
    await ask(page(`, after: "${first?.[field]?.pageInfo?.endCursor}"`));
  }
  await ask(CREATE);
  for (const mutation of UPDATES) await ask(mutation);
  // The outcome of a write whose response is lost is reconciled.
  for (const mutation of [CREATE_LOST, ...UPDATES]) {
    stack.hubspot.fail({ on: mutation === CREATE_LOST ? 'contacts' : 'PATCH', drop: 'after', times: 1 });
    await ask(mutation);
  }
  await gateway.close();
};

let stack: Stack;
let recorder: Recorder;
beforeAll(async () => {
  stack = await startStack({ hubspot: { oauth: OAUTH, associationsPerPage: 1 } });
  recorder = await startRecorder(stack.hubspot.url);
  await askAll(stack, recorder, {
    HUBSPOT_ACCESS_TOKEN: '',
    HUBSPOT_CLIENT_ID: OAUTH.clientId,
    HUBSPOT_CLIENT_SECRET: OAUTH.clientSecret,
    HUBSPOT_REFRESH_TOKEN: OAUTH.refreshToken,
  });
});
afterAll(async () => {
  await recorder.close();
  await stack.close();
});

const endpoints = () => [
  ...new Set(recorder.exchanges.map(({ method, path }) => `${method} ${path.replace(/\/\d+$/, '/{id}')}`)),
];

test('every called endpoint has the dated version', () => {
  expect(endpoints().sort()).toEqual([
    'GET /crm/objects/2026-09/contacts',
    'GET /crm/objects/2026-09/deals',
    'PATCH /crm/objects/2026-09/contacts/{id}',
    'PATCH /crm/objects/2026-09/deals/{id}',
    'POST /crm/associations/2026-09/contacts/companies/batch/read',
    'POST /crm/associations/2026-09/contacts/deals/batch/read',
    'POST /crm/associations/2026-09/deals/companies/batch/read',
    'POST /crm/associations/2026-09/deals/contacts/batch/read',
    'POST /crm/associations/2026-09/deals/line_items/batch/read',
    'POST /crm/objects/2026-09/companies/batch/read',
    'POST /crm/objects/2026-09/contacts',
    'POST /crm/objects/2026-09/contacts/batch/read',
    'POST /crm/objects/2026-09/contacts/search',
    'POST /crm/objects/2026-09/deals/batch/read',
    'POST /crm/objects/2026-09/deals/search',
    'POST /crm/objects/2026-09/line_items/batch/read',
    'POST /oauth/2026-09/token',
  ]);
});

test('the secrets of the OAuth app are in the body, never in a URL', () => {
  expect(recorder.exchanges.filter(({ query }) => query.size > 0).map(({ method }) => method)).not.toContain('POST');
});

describe('compared with the models of HubSpot’s client', () => {
  test('every request has all required fields and no unknown ones', () => {
    expect(recorder.exchanges.length).toBeGreaterThan(25);
    expect(recorder.exchanges.flatMap(requestProblems)).toEqual([]);
  });

  test('every response of the sandbox has all required fields and no unknown ones', () => {
    expect(new Set(recorder.exchanges.map(({ status }) => status))).toEqual(new Set([200, 201, 207]));
    expect(recorder.exchanges.flatMap(answerProblems)).toEqual([]);
  });
});

test('HUBSPOT_API_VERSION selects another dated version for all requests', async () => {
  const other = await startStack({ hubspot: { oauth: OAUTH, associationsPerPage: 1 } });
  const recorded = await startRecorder(other.hubspot.url);
  await askAll(other, recorded, { HUBSPOT_API_VERSION: '2026-03' });
  expect(recorded.exchanges.filter(({ path }) => !path.includes('/2026-03/'))).toEqual([]);
  await recorded.close();
  await other.close();
});

test.each(['v3', '2026', '2026-09/../../v3', '26-09'])('HUBSPOT_API_VERSION=%s prevents startup', async (version) => {
  await expect(stack.startAnother({ HUBSPOT_API_VERSION: version })).rejects.toThrow(
    'HUBSPOT_API_VERSION: must be a dated version, e.g. 2026-09',
  );
});
