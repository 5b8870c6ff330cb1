import { Client } from '@hubspot/api-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import {
  HUBSPOT_SANDBOX_TOKEN,
  type HubSpotSandboxOptions,
  startHubSpotSandbox,
} from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { answerProblems, requestProblems } from '../helpers/hubspot-contract.ts';
import { startRecorder } from '../helpers/recorder.ts';

/* HubSpot's own client uses the sandbox, whose responses in the dated version must match the client's models. */

const company = createCompany();
const OAUTH = { clientId: 'app', clientSecret: 'app-secret', refreshToken: 'refresh-me' };

let sandbox: Sandbox;
let recorder: Awaited<ReturnType<typeof startRecorder>>;
let hubspot: Client;

const start = async (options: HubSpotSandboxOptions = {}) => {
  sandbox = await startHubSpotSandbox({ oauth: OAUTH, ...options });
  recorder = await startRecorder(sandbox.url);
  hubspot = new Client({
    accessToken: HUBSPOT_SANDBOX_TOKEN,
    basePath: recorder.url,
    numberOfApiCallRetries: 3,
    // The client's limiter would wait a ninth of a second between requests.
    limiterOptions: { maxConcurrent: 6 },
  });
};
const stop = async () => {
  await recorder.close();
  await sandbox.close();
};

beforeEach(() => start());
afterEach(stop);

const read = (ids: readonly string[], more: object = {}) => ({
  inputs: ids.map((id) => ({ id })),
  properties: ['email'],
  propertiesWithHistory: [],
  ...more,
});

/** Returns the error of a request that is expected to fail. */
const failureOf = async (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('It did not fail.'),
    ({ code, body, headers }) => ({ code, body, type: headers['content-type'] }),
  );

const contacts = () => hubspot.crm.contacts;
const companies = () => hubspot.crm.companies;
const deals = () => hubspot.crm.deals;
const lineItems = () => hubspot.crm.lineItems;

test('reads a batch, and reports missing records', async () => {
  const whole = await contacts().batchApi.read(read(['101', '102']));
  expect(whole.results.map(({ id }) => id).sort()).toEqual(['101', '102']);
  expect(whole.results[0]?.createdAt).toBeInstanceOf(Date);
  expect(whole.startedAt).toBeInstanceOf(Date);
  const partial = await contacts().batchApi.read(read(['101', '9999999']));
  expect(partial).toMatchObject({
    status: 'COMPLETE',
    completedAt: expect.any(Date),
    numErrors: 1,
    errors: [{ category: 'OBJECT_NOT_FOUND', context: { ids: ['9999999'] }, errors: [], links: {} }],
  });
  const { results } = await contacts().batchApi.read(
    read(['Ada.Lindqvist@customers.example'], { idProperty: 'email' }),
  );
  expect(results.map(({ id }) => id)).toEqual(['101']);
});

test('reads the history of a property', async () => {
  const { results } = await contacts().batchApi.read(read(['101'], { propertiesWithHistory: ['phone', 'email'] }));
  expect(results[0]?.propertiesWithHistory?.['email']).toEqual([
    { value: 'ada.lindqvist@customers.example', timestamp: expect.any(Date), sourceType: expect.any(String) },
  ]);
});

describe('searches', () => {
  const search = async (more: object) => {
    const { results, total, paging } = await contacts().searchApi.doSearch({
      filterGroups: [],
      properties: ['lastname'],
      sorts: ['hs_object_id'],
      limit: 3,
      after: '0',
      ...more,
    });
    return { ids: results.map(({ id }) => id), total, after: paging?.next?.after };
  };
  const ids = company.people.map(({ id }) => id).sort((a, b) => Number(a) - Number(b));
  const filter = (operator: string, more: object) => ({
    filterGroups: [{ filters: [{ propertyName: 'hs_object_id', operator, ...more }] }],
    limit: 200,
  });

  test.each([
    ['a property', 'hs_object_id', ids],
    ['a property with a minus', '-hs_object_id', [...ids].reverse()],
    ['an object', { propertyName: 'hs_object_id', direction: 'DESCENDING' }, [...ids].reverse()],
    ['an object without a direction', { propertyName: 'hs_object_id' }, ids],
  ])('given a sort by %s, then pages are in that order', async (_, sort, expected) => {
    const first = await search({ sorts: [sort] });
    expect(first).toEqual({ ids: expected.slice(0, 3), total: ids.length, after: '3' });
    expect((await search({ sorts: [sort], after: first.after })).ids).toEqual(expected.slice(3, 6));
  });

  test.each([
    ['LT', { value: ids[2] }, ids.slice(0, 2)],
    ['LTE', { value: ids[2] }, ids.slice(0, 3)],
    ['GT', { value: ids.at(-3) }, ids.slice(-2)],
    ['GTE', { value: ids.at(-3) }, ids.slice(-3)],
    ['BETWEEN', { value: ids[1], highValue: ids[3] }, ids.slice(1, 4)],
    ['IN', { values: [ids[0], ids[4]] }, [ids[0], ids[4]]],
    ['NOT_IN', { values: ids.slice(2) }, ids.slice(0, 2)],
    ['EQ', { value: ids[1] }, [ids[1]]],
    ['NEQ', { value: ids[0] }, ids.slice(1)],
    ['HAS_PROPERTY', {}, ids],
    ['NOT_HAS_PROPERTY', {}, []],
    ['CONTAINS_TOKEN', { value: `*${ids[0]}*` }, [ids[0]]],
    ['NOT_CONTAINS_TOKEN', { value: `*${ids[0]}*` }, ids.slice(1)],
  ])('support the operator %s', async (operator, more, expected) => {
    expect((await search(filter(operator, more))).ids).toEqual(expected.slice(0, 200));
  });

  describe('compare by the type of the property:', () => {
    const found = async (type: 'contacts' | 'deals', filters: object[], sorts: string[] = []) => {
      const { results } = await hubspot.crm[type].searchApi.doSearch({
        filterGroups: [{ filters: filters as never }],
        properties: ['amount', 'closedate', 'firstname', 'lastname', 'email'],
        sorts,
        limit: 200,
        after: '0',
      });
      return results.map(({ properties }) => properties);
    };

    test.each<[string, object, string[]]>([
      ['GT', { value: '99.25' }, ['99.5', '1000']],
      ['GTE', { value: '99.50' }, ['99.5', '1000']],
      ['LT', { value: '-3' }, ['-5']],
      ['LTE', { value: '-3.0' }, ['-5', '-3']],
      ['BETWEEN', { value: '-4', highValue: '99.3' }, ['-3', '99.25']],
      ['EQ', { value: '99.250' }, ['99.25']],
      ['NEQ', { value: '99.250' }, ['-5', '-3', '99.5', '1000']],
      ['IN', { values: ['-3.0', '1000.00'] }, ['-3', '1000']],
      ['NOT_IN', { values: ['-3.0', '1000.00'] }, ['-5', '99.25', '99.5']],
    ])('numbers with %s', async (operator, more, expected) => {
      await deals().batchApi.create({
        inputs: ['99.5', '-3', '1000', '-5', '99.25'].map((amount) => ({ properties: { amount }, associations: [] })),
      });
      const isNew = { propertyName: 'hs_object_id', operator: 'GT', value: company.deals.at(-1)?.id };
      const results = await found('deals', [isNew, { propertyName: 'amount', operator, ...more }], ['amount']);
      expect(results.map(({ amount }) => amount)).toEqual(expected);
    });

    const closed = company.deals.map(({ closeDate }) => closeDate.getTime()).sort((a, b) => a - b);
    const [early, late] = [closed[20], closed[60]] as [number, number];
    const day = (time: number) => new Date(time).toISOString().slice(0, 10);
    test.each<[string, object, (time: number) => boolean]>([
      ['LT', { value: String(early) }, (time) => time < early],
      ['LTE', { value: new Date(early).toISOString() }, (time) => time <= early],
      ['LT', { value: day(early) }, (time) => time < Date.parse(day(early))],
      ['BETWEEN', { value: String(early), highValue: String(late) }, (time) => time >= early && time <= late],
      ['EQ', { value: String(early) }, (time) => time === early],
      ['IN', { values: [String(early), new Date(late).toISOString()] }, (time) => [early, late].includes(time)],
    ])('dates with %s %o', async (operator, more, matches) => {
      const results = await found('deals', [{ propertyName: 'closedate', operator, ...more }], ['closedate']);
      const expected = closed.filter(matches).map((time) => new Date(time).toISOString());
      expect(expected.length).toBeGreaterThan(0);
      expect(results.map(({ closedate }) => closedate)).toEqual(expected);
    });

    test.each<[string, string, object, (person: (typeof company.people)[number]) => boolean]>([
      ['lastname', 'EQ', { value: 'Rossi' }, ({ lastName }) => lastName === 'Rossi'],
      ['lastname', 'GT', { value: 'Rossi' }, ({ lastName }) => ['Şahin', 'van der Berg'].includes(lastName)],
      [
        'lastname',
        'BETWEEN',
        { value: 'Lefèvre', highValue: 'Müller' },
        ({ lastName }) => ['Lefèvre', 'Lindqvist', 'Müller'].includes(lastName),
      ],
      ['lastname', 'CONTAINS_TOKEN', { value: 'DER' }, ({ lastName }) => lastName === 'van der Berg'],
      ['lastname', 'CONTAINS_TOKEN', { value: 'berg van' }, ({ lastName }) => lastName === 'van der Berg'],
      ['lastname', 'CONTAINS_TOKEN', { value: 'li*q*t' }, ({ lastName }) => lastName === 'Lindqvist'],
      ['lastname', 'CONTAINS_TOKEN', { value: 'lind' }, () => false],
      ['lastname', 'CONTAINS_TOKEN', { value: 'ros*ssi' }, () => false],
      ['lastname', 'NOT_CONTAINS_TOKEN', { value: 'r*' }, ({ lastName }) => lastName !== 'Rossi'],
      ['email', 'CONTAINS_TOKEN', { value: 'da.lind' }, () => false],
      ['email', 'CONTAINS_TOKEN', { value: 'ada.lindqvist' }, ({ id }) => id === '101'],
      ['email', 'CONTAINS_TOKEN', { value: '*da.lind*@CUSTOMERS.example' }, ({ id }) => id === '101'],
      ['email', 'CONTAINS_TOKEN', { value: '*' }, ({ email }) => email !== null],
      ['constructor', 'HAS_PROPERTY', {}, () => false],
      ['constructor', 'EQ', { value: 'x' }, () => false],
      ['__proto__', 'CONTAINS_TOKEN', { value: '*' }, () => false],
    ])('text: %s %s %o', async (propertyName, operator, more, matches) => {
      const results = await found('contacts', [{ propertyName, operator, ...more }], ['hs_object_id']);
      expect(results.map(({ hs_object_id: id }) => id)).toEqual(
        company.people
          .filter(matches)
          .map(({ id }) => id)
          .slice(0, 200),
      );
    });

    test.each([
      'EQ',
      'NEQ',
      'LT',
      'LTE',
      'GT',
      'GTE',
      'BETWEEN',
      'IN',
      'NOT_IN',
      'CONTAINS_TOKEN',
      'NOT_CONTAINS_TOKEN',
    ])('%s without a value is rejected', async (operator) => {
      expect(await failureOf(found('contacts', [{ propertyName: 'lastname', operator }]))).toMatchObject({
        code: 400,
        body: { category: 'VALIDATION_ERROR' },
      });
    });
  });
});

test('reads one record by id or by a property, with properties and associations', async () => {
  const { id, properties } = await contacts().basicApi.getById('101', ['email', 'firstname']);
  expect({ id, properties }).toMatchObject({
    id: '101',
    properties: { email: 'ada.lindqvist@customers.example', firstname: 'Ada' },
  });
  const byEmail = await contacts().basicApi.getById(
    'ada.lindqvist@customers.example',
    undefined,
    undefined,
    undefined,
    false,
    'email',
  );
  expect(byEmail.id).toBe('101');
  const linked = await contacts().basicApi.getById('101', undefined, undefined, ['companies', 'deals']);
  expect(linked.associations?.['companies']?.results).toEqual([
    { id: '9001', type: 'contact_to_company' },
    { id: '9001', type: 'contact_to_company_unlabeled' },
  ]);
  expect(linked.associations?.['deals']?.results[0]).toMatchObject({ type: 'contact_to_deal' });
});

test('pages through records with their associations', async () => {
  const all = await lineItems().getAll(undefined, undefined, undefined, undefined, ['deal']);
  expect(all.map(({ associations }) => associations?.['deals']?.results)).toEqual(
    company.deals.flatMap(({ id, lineItems: lines }) => lines.map(() => [{ id, type: 'line_item_to_deal' }])),
  );
  const [deal] = await deals().getAll(undefined, undefined, undefined, undefined, ['line_items', 'companies']);
  expect(Object.keys(deal?.associations ?? {})).toEqual(['line items', 'companies']);
});

test('pages through all records', async () => {
  const everyone = await contacts().getAll(7, undefined, ['email', 'lastname']);
  expect(everyone.map(({ id }) => id)).toEqual(company.people.map(({ id }) => id));
  expect(Object.keys(everyone[0]?.properties ?? {})).toEqual(expect.arrayContaining(['email', 'lastname']));
  expect((await companies().getAll()).length).toBe(company.organisations.length);
  expect((await deals().getAll()).length).toBe(company.deals.length);
  expect((await lineItems().getAll()).length).toBe(company.deals.flatMap((deal) => deal.lineItems).length);
});

test('creates, changes and archives', async () => {
  const created = await contacts().basicApi.create({
    properties: { email: 'new@customers.example' },
    associations: [
      { to: { id: '9001' }, types: [{ associationCategory: 'HUBSPOT_DEFINED' as never, associationTypeId: 1 }] },
    ],
  });
  const updated = await contacts().basicApi.update(created.id, { properties: { phone: '+46 70 1' } });
  expect(updated.properties['phone']).toBe('+46 70 1');
  const byEmail = await contacts().basicApi.update('NEW@customers.example', { properties: {} }, 'email');
  expect(byEmail.id).toBe(created.id);
  const links = () =>
    hubspot.crm.associations.v4.batchApi.getPage('contacts', 'companies', { inputs: [{ id: created.id }] });
  expect((await links()).results).toHaveLength(1);

  await contacts().basicApi.archive(created.id);
  expect(await failureOf(contacts().basicApi.getById(created.id))).toMatchObject({ code: 404 });
  expect((await links()).results).toHaveLength(0);
  const archived = await contacts().basicApi.getById(created.id, undefined, undefined, undefined, true);
  expect(archived).toMatchObject({ archived: true, archivedAt: expect.any(Date) });
  await contacts().batchApi.archive({ inputs: [{ id: '101' }, { id: '102' }] });
  expect(await contacts().getAll()).toHaveLength(company.people.length - 2);
  expect(await contacts().getAll(undefined, undefined, undefined, undefined, undefined, true)).toHaveLength(3);
});

describe('creates a batch', () => {
  const inputs = [
    { properties: { email: 'one@customers.example' }, associations: [] },
    { properties: { email: 'ada.lindqvist@customers.example' }, associations: [] },
    { properties: { email: 'two@customers.example' }, associations: [] },
  ];

  test('of valid records', async () => {
    const { results, status } = await contacts().batchApi.create({ inputs: inputs.filter((_, index) => index !== 1) });
    expect(status).toBe('COMPLETE');
    expect(results.map(({ properties }) => properties['email'])).toEqual([
      'one@customers.example',
      'two@customers.example',
    ]);
  });

  test('given an invalid record, then none is created', async () => {
    expect(await failureOf(contacts().batchApi.create({ inputs }))).toMatchObject({
      code: 409,
      body: { category: 'CONFLICT' },
    });
    expect(await contacts().getAll()).toHaveLength(company.people.length);
  });

  test('given trace ids, then valid records are created, and errors name the invalid ones', async () => {
    const traced = inputs.map((input, index) => ({ ...input, objectWriteTraceId: `trace-${index}` }));
    expect(await contacts().batchApi.create({ inputs: traced })).toMatchObject({
      results: [{ objectWriteTraceId: 'trace-0' }, { objectWriteTraceId: 'trace-2' }],
      numErrors: 1,
      errors: [{ status: 'error', category: 'CONFLICT', context: { objectWriteTraceId: ['trace-1'] } }],
    });
  });
});

test('a new record gets an id that was never used before, not even by a rejected batch', async () => {
  const create = (email: string) => ({ properties: { email }, associations: [] });
  const first = Number((await contacts().basicApi.create(create('one@customers.example'))).id);
  await contacts().basicApi.archive(String(first));
  const refused = { inputs: [create('two@customers.example'), create('ada.lindqvist@customers.example')] };
  expect(await failureOf(contacts().batchApi.create(refused))).toMatchObject({ code: 409 });
  const { results } = await contacts().batchApi.create({
    inputs: [create('three@x.example'), create('four@x.example')],
  });
  expect(results.map(({ id }) => Number(id))).toEqual([first + 2, first + 3]);
});

test('the number of records per type and of tokens is bounded; the oldest are dropped', async () => {
  await stop();
  const max = company.people.length;
  await start({ maxEntries: max });
  const { id } = await contacts().basicApi.create({ properties: {}, associations: [] });
  expect((await contacts().getAll()).map((one) => one.id)).toEqual([
    ...company.people.slice(1).map((one) => one.id),
    id,
  ]);
  expect((await deals().getAll()).length).toBe(company.deals.length);
  await stop();
  await start({ maxEntries: 2 });
  await contacts().batchApi.archive({ inputs: [{ id: '101' }, { id: '102' }, { id: '103' }] });
  const archived = await contacts().getAll(undefined, undefined, undefined, undefined, undefined, true);
  expect(archived.map((one) => one.id)).toEqual(['102', '103']);
  const { clientId, clientSecret, refreshToken } = OAUTH;
  const tokens = [];
  for (let index = 0; index < 3; index += 1) {
    tokens.push(
      await hubspot.oauth.tokensApi.create('refresh_token', undefined, undefined, clientId, clientSecret, refreshToken),
    );
  }
  const statuses = [];
  for (const { accessToken } of tokens) {
    statuses.push((await call('GET', '/crm/objects/2026-09/deals', undefined, `Bearer ${accessToken}`)).status);
  }
  expect(statuses).toEqual([401, 200, 200]);
});

test('reads associations by plural, singular and numeric type', async () => {
  const batch = { inputs: [{ id: '101' }, { id: '115' }] };
  const api = hubspot.crm.associations.v4.batchApi;
  const [plural, singular, numbered] = await Promise.all([
    api.getPage('contacts', 'companies', batch),
    api.getPage('contact', 'company', batch),
    api.getPage('0-1', '0-2', batch),
  ]);
  expect(plural).toMatchObject({ results: [{ _from: { id: '101' } }], numErrors: 1 });
  expect(singular.results).toEqual(plural.results);
  expect(numbered.results).toEqual(plural.results);
});

test('issues tokens', async () => {
  const { clientId, clientSecret, refreshToken } = OAUTH;
  const get = (token: string) =>
    hubspot.oauth.tokensApi.create('refresh_token', undefined, undefined, clientId, clientSecret, token);
  const token = await get(refreshToken);
  expect(token).toMatchObject({ tokenType: 'bearer', expiresIn: 1_800, refreshToken });
  hubspot.setAccessToken(token.accessToken);
  expect((await contacts().basicApi.getById('101')).id).toBe('101');
  expect(await failureOf(get('another'))).toMatchObject({
    code: 400,
    type: expect.stringContaining('application/json'),
  });
  expect(JSON.parse(recorder.exchanges.at(-1)?.answer ?? '')).toMatchObject({
    error: 'invalid_grant',
    error_description: expect.any(String),
    status: 'BAD_REFRESH_TOKEN',
  });
});

describe('errors have HubSpot’s format:', () => {
  test.each<[string, number, string, () => Promise<unknown>]>([
    ['an unknown record', 404, 'OBJECT_NOT_FOUND', () => contacts().basicApi.getById('9999999')],
    [
      'an id that is not valid percent-encoding',
      404,
      'OBJECT_NOT_FOUND',
      () => contacts().basicApi.getById('9999999%'),
    ],
    ['an update of an unknown record', 404, 'OBJECT_NOT_FOUND', () => deals().basicApi.update('1', { properties: {} })],
    ['an unknown endpoint', 404, 'OBJECT_NOT_FOUND', () => hubspot.crm.tickets.basicApi.getPage()],
    [
      'an invalid value',
      400,
      'VALIDATION_ERROR',
      () => contacts().basicApi.create({ properties: { email: 'x' }, associations: [] }),
    ],
    [
      'an unknown stage',
      400,
      'VALIDATION_ERROR',
      () => deals().basicApi.update('50001', { properties: { dealstage: 'nostage' } }),
    ],
    [
      'an unknown lifecycle stage',
      400,
      'VALIDATION_ERROR',
      () => contacts().basicApi.update('102', { properties: { lifecyclestage: 'nostage' } }),
    ],
    [
      'an invalid date',
      400,
      'VALIDATION_ERROR',
      () => deals().basicApi.update('50001', { properties: { closedate: 'abc' } }),
    ],
    [
      'an address in use',
      409,
      'CONFLICT',
      () => contacts().basicApi.update('102', { properties: { email: 'ada.lindqvist@customers.example' } }),
    ],
    [
      'associations with an unknown type',
      400,
      'VALIDATION_ERROR',
      () => contacts().basicApi.getById('101', undefined, undefined, ['boats']),
    ],
    ['a page that is too large', 400, 'VALIDATION_ERROR', () => contacts().basicApi.getPage(101)],
    ['an invalid cursor of a list', 400, 'VALIDATION_ERROR', () => contacts().basicApi.getPage(10, 'abc')],
    [
      'an invalid cursor of associations',
      400,
      'VALIDATION_ERROR',
      () =>
        hubspot.crm.associations.v4.batchApi.getPage('contacts', 'companies', {
          inputs: [{ id: '101', after: 'abc' }],
        }),
    ],
    [
      'an invalid cursor of a search',
      400,
      'VALIDATION_ERROR',
      () => contacts().searchApi.doSearch({ filterGroups: [], sorts: [], properties: [], limit: 1, after: '-1' }),
    ],
    [
      'an invalid date in a search',
      400,
      'VALIDATION_ERROR',
      () =>
        deals().searchApi.doSearch({
          filterGroups: [{ filters: [{ propertyName: 'closedate', operator: 'LT' as never, value: 'soon' }] }],
          sorts: [],
          properties: [],
          limit: 1,
          after: '0',
        }),
    ],
    [
      'a lookup by the name of an inherited property',
      404,
      'OBJECT_NOT_FOUND',
      () => contacts().basicApi.getById('x', undefined, undefined, undefined, false, 'constructor'),
    ],
    [
      'too many records with history',
      400,
      'VALIDATION_ERROR',
      () => contacts().batchApi.read(read(Array(51).fill('101'), { propertiesWithHistory: ['email'] })),
    ],
    [
      'an unknown kind of association',
      400,
      'VALIDATION_ERROR',
      () =>
        contacts().basicApi.create({
          properties: {},
          associations: [
            { to: { id: '9001' }, types: [{ associationCategory: 'HUBSPOT_DEFINED' as never, associationTypeId: 77 }] },
          ],
        }),
    ],
  ])('%s', async (_, code, category, work) => {
    expect(await failureOf(work())).toEqual({
      code,
      type: 'application/json;charset=utf-8',
      body: expect.objectContaining({ category, message: expect.any(String), correlationId: expect.any(String) }),
    });
  });

  test('a wrong token', async () => {
    hubspot.setAccessToken('another');
    expect(await failureOf(contacts().basicApi.getById('101'))).toMatchObject({
      code: 401,
      body: { category: 'INVALID_AUTHENTICATION' },
    });
  });
});

describe('the client retries', () => {
  /** Skips the client's waits and returns their durations. */
  const skipWaits = (whileWaiting: () => void = () => {}) => {
    const waits: number[] = [];
    const real = globalThis.setTimeout;
    // The client logs to the console before it waits.
    vi.spyOn(console, 'error').mockImplementation(() => {
      const stub = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((done: () => void, ms: number) => {
        stub.mockRestore();
        waits.push(ms);
        whileWaiting();
        return real(done, 0);
      }) as never);
    });
    return waits;
  };
  afterEach(() => void vi.restoreAllMocks());

  test.each([500, 502, 503])('a %i', async (status) => {
    const waits = skipWaits();
    sandbox.fail({ status, times: 2 });
    expect((await contacts().basicApi.getById('101')).id).toBe('101');
    expect(waits).toEqual([200, 400]);
  });

  test('a 429 of the ten-second limit, with or without Retry-After', async () => {
    const waits = skipWaits();
    sandbox.fail({ status: 429, times: 1, headers: { 'retry-after': '1' } });
    sandbox.fail({ status: 429, times: 1 });
    expect((await contacts().basicApi.getById('101')).id).toBe('101');
    expect(waits).toEqual([10_000, 20_000]);
  });

  test('a 429 of the search limit, until its second is over', async () => {
    await stop();
    let now = Date.UTC(2026, 10, 1);
    const ANY = { calls: 1_000, windowMs: 1 };
    await start({ now: () => now, quota: { account: ANY, search: { calls: 1, windowMs: 1_000 } } });
    const waits = skipWaits(() => {
      now += 1_001;
    });
    const search = () =>
      deals().searchApi.doSearch({ filterGroups: [], sorts: [], properties: [], limit: 1, after: '0' });
    await search();
    expect((await search()).results).toHaveLength(1);
    expect(waits).toEqual([1_000]);
  });

  test('but not a 429 of another limit', async () => {
    sandbox.fail({ status: 429, times: 1, body: '{"policyName":"DAILY","category":"RATE_LIMITS"}' });
    expect(await failureOf(contacts().basicApi.getById('101'))).toMatchObject({ code: 429 });
  });
});

const call = async (method: string, path: string, body?: object, authorization = `Bearer ${HUBSPOT_SANDBOX_TOKEN}`) =>
  fetch(`${recorder.url}${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });

test.each([
  ['lacks a required field', (answer: string) => answer.replace(/,"completedAt":"[^"]+"/, ''), /: completedAt: /],
  ['has an unknown property', (answer: string) => answer.replace('"id":', '"shoeSize":44,"id":'), /"shoeSize"/],
  ['has a number for a string', (answer: string) => answer.replace('"id":"101"', '"id":101'), /: results.0.id: /],
])('given a response that %s, then the contract check reports it', async (_, rewrite, problem) => {
  sandbox.fail({ rewrite, times: 1 });
  await contacts().batchApi.read(read(['101']));
  expect(recorder.exchanges.flatMap(answerProblems)).toEqual([expect.stringMatching(problem)]);
});

/* The client uses the deprecated versions; these are the dated ones. */
test.each(['contacts', 'companies', 'deals', 'line_items'])(
  'every response about %s matches the models of HubSpot’s client',
  async (type) => {
    const root = `/crm/objects/2026-09/${type}`;
    const listed = (await (
      await call('GET', `${root}?limit=2&properties=name,email&associations=companies`)
    ).json()) as {
      results: { id: string }[];
    };
    const [first, second] = listed.results.map(({ id }) => id) as [string, string];
    const create = { properties: {}, associations: [] };
    const read = { properties: ['name'], propertiesWithHistory: [] };
    const search = { filterGroups: [], sorts: ['-hs_object_id'], properties: [], limit: 2, after: '0' };
    await call('GET', `${root}/${first}?properties=name&propertiesWithHistory=name&associations=deals,line_items`);
    await call('GET', `${root}/9999999`);
    await call('GET', root, undefined, 'Bearer another');
    await call('GET', `${root}?limit=1000`);
    await call('POST', `${root}/batch/read`, { inputs: [{ id: first }], ...read });
    await call('POST', `${root}/batch/read`, { inputs: [{ id: first }, { id: '9999999' }], ...read });
    await call('POST', `${root}/search`, search);
    await call('POST', `${root}/search`, { ...search, limit: 1_000 });
    await call('POST', root, create);
    await call('POST', root, { ...create, properties: { shoe_size: '44' } });
    await call('PATCH', `${root}/${first}`, { properties: {} });
    await call('PATCH', `${root}/9999999`, { properties: {} });
    await call('POST', `${root}/batch/create`, { inputs: [create, create] });
    await call('POST', `${root}/batch/create`, {
      inputs: [
        { ...create, objectWriteTraceId: 'a' },
        { ...create, properties: { shoe_size: '44' }, objectWriteTraceId: 'b' },
      ],
    });
    await call('DELETE', `${root}/${first}`);
    await call('GET', `${root}/${first}?archived=true`);
    await call('POST', `${root}/batch/archive`, { inputs: [{ id: second }] });
    await call('POST', `/crm/associations/2026-09/${type}/deals/batch/read`, {
      inputs: [{ id: '9999999' }, { id: '103' }],
    });
    for (const status of [429, 500, 503]) {
      sandbox.fail({ status, times: 1 });
      await call('GET', root);
    }
    expect(recorder.exchanges.flatMap(requestProblems)).toEqual([]);
    expect(recorder.exchanges.flatMap(answerProblems)).toEqual([]);
    expect(new Set(recorder.exchanges.map(({ status }) => status))).toEqual(
      new Set([200, 201, 204, 207, 400, 401, 404, 429, 500, 503]),
    );
  },
);
test('an unknown path is a 404 in JSON', async () => {
  for (const path of ['/', '/crm/v3/objects/tickets', '/crm/objects/2020-01/contacts', '/oauth/2020-01/token']) {
    const response = await fetch(`${sandbox.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}` },
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/json;charset=utf-8']);
    expect(await response.json()).toMatchObject({ category: 'OBJECT_NOT_FOUND', correlationId: expect.any(String) });
  }
});
