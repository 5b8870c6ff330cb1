import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createCompany } from '../../../sandbox/company.ts';
import { auditFile, recordsOf } from '../../helpers/audit.ts';
import { advanceClock, resetClock, stopClock } from '../../helpers/clock.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { startHttpServer } from '../../helpers/http-server.ts';
import { policiesIn, writePlans } from '../../helpers/plans.ts';
import { freePort, type Spawned, startProcess } from '../../helpers/processes.ts';
import { startStack } from '../../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../../helpers/tokens.ts';
import { hasTool } from '../../helpers/tools.ts';

/* Budgets of clients in provider calls. At an external subgraph, each request is one call, and is sent twice at most. */

const PEOPLE = { 1: { id: '1', name: 'Ada' }, 2: { id: '2', name: 'Bjorn' } } as const;
const personOf = ({ id }: { id: string }) => PEOPLE[Number(id) as 1 | 2];

const GRAPH = {
  people: {
    schema: `type Query { person(id: ID!): Person } type Mutation { rename(id: ID!): Person }
      type Person @key(fields: "id") { id: ID! name: String }`,
    fields: {
      'Query.person': (_: never, { id }: { id: string }) => personOf({ id }),
      'Mutation.rename': (_: never, { id }: { id: string }) => personOf({ id }),
      'Person.name': (person: { id: string }) => personOf(person).name,
    },
  },
  posts: {
    schema: `type Person @key(fields: "id") { id: ID! friend: Person }`,
    fields: { 'Person.friend': ({ id }: { id: string }) => (id === '1' ? { __typename: 'Person', id: '2' } : null) },
  },
};

/** One call to people. */
const PERSON = '{ person(id: 1) { name } }';
/** Up to two calls to people and one to posts. */
const FRIEND = 'query Friend($id: ID! = 1) { person(id: $id) { friend { name } } }';

type Gateway = Federation<'people' | 'posts'>;

const start = async (plan: object, env: Record<string, string> = {}): Promise<Gateway> => {
  const { path } = writePlans({ default: 'standard', plans: { standard: plan } });
  const gateway = await startFederation(GRAPH, { PLANS: path, ...env });
  onTestFinished(() => gateway.close());
  return gateway;
};

const send = async (
  { url }: { url: string },
  query: string,
  { variables = {}, headers = {}, signal }: { variables?: object; headers?: object; signal?: AbortSignal } = {},
) => {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify({ query, variables }),
    ...(signal && { signal }),
  });
  const body = (await response.json()) as {
    data?: unknown;
    errors?: { message: string; extensions: Record<string, unknown> }[];
    extensions?: { tributary: Record<string, unknown> };
  };
  const left = policiesIn(response.headers, 'ratelimit')['calls'] as { r: number; t?: number } | undefined;
  return { ...body, status: response.status, left: left?.r, headers: response.headers };
};

const explain = async (gateway: Gateway, query: string) => {
  const { data, extensions, left } = await send(gateway, query, { headers: { 'x-tributary-explain': '1' } });
  const explanation = extensions?.tributary['explain'] as { budget: object | null } | undefined;
  return { data, left, budget: explanation?.budget };
};

const fetchesOf = ({ subgraphs }: Gateway) => [subgraphs.people.requests.length, subgraphs.posts.requests.length];
const untilMidnightS = () => Math.ceil((86_400_000 - (Date.now() % 86_400_000)) / 1_000);

beforeEach(stopClock);
afterEach(resetClock);

test('an operation that is expected to make too many calls is refused, and nothing is fetched', async () => {
  const gateway = await start({ callsPerOperation: { people: 1 } });
  const { status, data, errors } = await send(gateway, FRIEND);
  expect({ status, data, errors }).toEqual({
    status: 400,
    data: undefined,
    errors: [
      {
        message:
          'The operation is expected to make 2 provider calls to people, at most 4; the budget is 1 (plans.standard.callsPerOperation.people in PLANS). Request less at once.',
        extensions: {
          code: 'BUDGET_EXCEEDED',
          subgraph: 'people',
          estimate: 2,
          atMost: 4,
          budget: 1,
          left: 1,
          setting: 'plans.standard.callsPerOperation.people',
        },
      },
    ],
  });
  expect(fetchesOf(gateway)).toEqual([0, 0]);
  expect((await send(gateway, PERSON)).status).toBe(200);
});

test('only what the variables of @skip and @include select counts', async () => {
  const gateway = await start({ callsPerOperation: { people: 1 } });
  const query = 'query Q($all: Boolean!) { person(id: 1) { name friend @include(if: $all) { name } } }';
  expect((await send(gateway, query, { variables: { all: true } })).status).toBe(400);
  expect((await send(gateway, query, { variables: { all: false } })).status).toBe(200);
});

test('a day’s calls are refused beyond the budget, until midnight', async () => {
  const gateway = await start({ callsPerDay: { people: 3 } });
  expect((await send(gateway, FRIEND)).status).toBe(200);
  const { status, errors, headers } = await send(gateway, FRIEND);
  expect(status).toBe(429);
  expect(errors?.[0]?.extensions).toEqual({
    code: 'BUDGET_EXCEEDED',
    subgraph: 'people',
    estimate: 2,
    atMost: 4,
    budget: 3,
    left: 1,
    setting: 'plans.standard.callsPerDay.people',
  });
  expect(Number(headers.get('retry-after'))).toBe(untilMidnightS());
  expect(fetchesOf(gateway)).toEqual([2, 1]);
  // One call is left.
  expect((await send(gateway, PERSON)).status).toBe(200);
  expect((await send(gateway, PERSON)).status).toBe(429);
  advanceClock(untilMidnightS() * 1_000);
  expect((await send(gateway, FRIEND)).status).toBe(200);
});

test('the rate of calls is limited, and the headers say what is left', async () => {
  const gateway = await start({ calls: { limit: 4, seconds: 60 } });
  const first = await send(gateway, FRIEND);
  expect([first.status, first.left]).toEqual([200, 1]);
  expect(policiesIn(first.headers, 'ratelimit-policy')).toEqual({ calls: { q: 4, qu: 'provider-calls', w: 60 } });
  const refused = await send(gateway, FRIEND);
  expect([refused.status, refused.errors?.[0]?.extensions]).toEqual([
    429,
    { code: 'BUDGET_EXCEEDED', estimate: 3, atMost: 6, budget: 4, left: 1, setting: 'plans.standard.calls' },
  ]);
  advanceClock((Number(refused.headers.get('retry-after')) - 1) * 1_000);
  expect((await send(gateway, FRIEND)).status).toBe(429);
  advanceClock(1_000);
  expect((await send(gateway, FRIEND)).status).toBe(200);
});

test('an estimate has the budget for which the operation would be refused, and takes nothing from it', async () => {
  const gateway = await start({ calls: { limit: 4, seconds: 60 }, callsPerOperation: { people: 3 } });
  expect(await explain(gateway, FRIEND)).toEqual({ data: null, left: 4, budget: null });
  await send(gateway, FRIEND);
  const { budget, left } = await explain(gateway, FRIEND);
  const refused = await send(gateway, FRIEND);
  const { code, ...extensions } = refused.errors?.[0]?.extensions ?? {};
  expect([left, code]).toEqual([1, 'BUDGET_EXCEEDED']);
  expect(budget).toEqual({
    message: refused.errors?.[0]?.message,
    ...extensions,
    retryAfterS: Number(refused.headers.get('retry-after')),
  });
  expect(fetchesOf(gateway)).toEqual([2, 1]);
});

test('the header of a response in parts has what is left before it ends', async () => {
  const gateway = await start({ calls: { limit: 100, seconds: 60 } });
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'multipart/mixed;deferSpec=20220824' },
    body: JSON.stringify({ query: '{ person(id: 1) { id ... @defer { friend { name } } } }' }),
  });
  expect(await response.text()).toContain('Bjorn');
  expect(policiesIn(response.headers, 'ratelimit')).toMatchObject({ calls: { r: 94 } });
  expect((await send(gateway, '{ __typename }')).left).toBe(97);
});

test('an operation that never fits is refused without Retry-After', async () => {
  const gateway = await start({ calls: { limit: 2, seconds: 60 } });
  const { status, headers } = await send(gateway, FRIEND);
  expect([status, headers.get('retry-after')]).toEqual([400, null]);
});

test('what was reserved and not spent is returned', async () => {
  const gateway = await start({ calls: { limit: 4, seconds: 60 } });
  // Nobody is the friend of the second, so there is nothing to fetch of a friend.
  expect((await send(gateway, FRIEND, { variables: { id: 2 } })).left).toBe(2);
  expect((await send(gateway, '{ __typename }')).left).toBe(2);
  expect((await send(gateway, '{ __schema { queryType { name } } }')).left).toBe(2);
});

test('while an operation runs, its reservation counts', async () => {
  const gateway = await start({ calls: { limit: 4, seconds: 60 } });
  const gate = Promise.withResolvers<undefined>();
  gateway.subgraphs.people.before = () => gate.promise;
  const running = send(gateway, FRIEND, { variables: { id: 2 } });
  await expect.poll(() => fetchesOf(gateway)).toEqual([1, 0]);
  const refused = await send(gateway, FRIEND);
  expect([refused.status, refused.left]).toEqual([429, 1]);
  gate.resolve(undefined);
  expect((await running).left).toBe(2);
});

test('given a client that disconnects, then all that was reserved is spent', async () => {
  const gateway = await start({ calls: { limit: 4, seconds: 60 } });
  const gate = Promise.withResolvers<undefined>();
  gateway.subgraphs.people.before = () => gate.promise;
  const controller = new AbortController();
  const aborted = send(gateway, FRIEND, { variables: { id: 2 }, signal: controller.signal }).catch(() => 'aborted');
  await expect.poll(() => fetchesOf(gateway)).toEqual([1, 0]);
  controller.abort();
  expect(await aborted).toBe('aborted');
  gate.resolve(undefined);
  expect((await send(gateway, '{ __typename }')).left).toBe(1);
  await expect.poll(async () => (await send(gateway, '{ __typename }')).left).toBe(1);
});

test('a field of an external subgraph for which no call is left fails, and the rest arrives', async () => {
  const gateway = await start({ callsPerDay: { people: 2 } });
  // Nobody is the friend of the second, so that one call is expected of the next request.
  expect((await send(gateway, FRIEND, { variables: { id: 2 } })).status).toBe(200);
  const { status, data, errors = [] } = await send(gateway, FRIEND);
  expect([status, data]).toEqual([200, { person: { friend: { name: null } } }]);
  expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BUDGET_EXCEEDED', serviceName: 'people' }]);
  expect(gateway.subgraphs.people.requests).toHaveLength(2);
});

test('a request to an external subgraph is one call, whatever the subgraph reports', async () => {
  const gateway = await start({ calls: { limit: 10, seconds: 60 } }, { CALL_REPORT: 'on' });
  const row = { subgraph: 'people', operation: 'everything', calls: 1e15 };
  gateway.subgraphs.people.before = (response) => {
    const body = { data: { person: { name: 'Ada' } }, extensions: { tributary: { calls: [row] } } };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    return true;
  };
  expect((await send(gateway, PERSON)).left).toBe(9);
  expect((await send(gateway, PERSON, { headers: { 'x-tributary-report': '1' } })).left).toBe(8);
});

test('a refused mutation is neither sent nor recorded as accepted', async () => {
  const file = auditFile();
  const gateway = await start({ callsPerDay: { people: 1 } }, { AUDIT_LOG: file });
  const rename = 'mutation { rename(id: 1) { name } }';
  expect((await send(gateway, rename)).status).toBe(200);
  expect((await send(gateway, rename)).status).toBe(429);
  await expect.poll(() => recordsOf(file, 'request.refused')).toHaveLength(1);
  expect(recordsOf(file, 'request.refused')[0]).toMatchObject({ code: 'BUDGET_EXCEEDED', fields: ['rename'] });
  expect(recordsOf(file, 'mutation.accepted')).toHaveLength(1);
  expect(fetchesOf(gateway)).toEqual([1, 0]);
});

test('BUDGETS=measure refuses nothing, and reports what it would refuse', async () => {
  const plan = { callsPerOperation: { posts: 5 }, callsPerDay: { people: 2 }, requests: { limit: 4, seconds: 60 } };
  const gateway = await start(plan, { BUDGETS: 'measure' });
  const first = await send(gateway, FRIEND);
  expect([first.status, first.extensions]).toEqual([200, undefined]);
  const over = await send(gateway, FRIEND);
  expect([over.status, over.data]).toEqual([200, { person: { friend: { name: 'Bjorn' } } }]);
  expect(over.extensions?.tributary).toEqual({
    budget: [
      {
        subgraph: 'people',
        estimate: 2,
        atMost: 4,
        budget: 2,
        left: 0,
        setting: 'plans.standard.callsPerDay.people',
        retryAfterS: untilMidnightS(),
      },
    ],
  });
  expect((await explain(gateway, FRIEND)).budget).toBeNull();
  // The limit on requests is no budget.
  expect((await send(gateway, PERSON)).status).toBe(200);
  expect((await send(gateway, PERSON)).status).toBe(429);
});

test('measured operations are logged once a minute for each client', { tags: ['long'] }, async () => {
  resetClock();
  const { path } = writePlans({ default: 'a', plans: { a: { callsPerOperation: { crm: 1 } } } });
  const env = { PLANS: path, BUDGETS: 'measure', PORT: '0', LOG_LEVEL: 'info' };
  const started = startProcess(['node', 'gateway/main.ts'], env);
  onTestFinished(started.stop);
  const urlOf = () => /answers at (\S+)\/graphql/.exec(started.output())?.[1] ?? '';
  await expect.poll(urlOf).not.toBe('');
  const customer =
    '{ customers(first: 1) { edges { node { payments(first: 1) { edges { node { customer { firstName } } } } } } } }';
  for (let index = 0; index < 3; index++) expect((await send({ url: urlOf() }, customer)).status).toBe(200);
  const logged = () =>
    started
      .output()
      .split('\n')
      .filter((line) => line.includes('"code":"BUDGET_EXCEEDED"'));
  await expect.poll(logged).not.toEqual([]);
  expect(logged()).toHaveLength(1);
  expect(JSON.parse(logged()[0] ?? '')).toMatchObject({
    client: '127.0.0.1',
    subgraph: 'crm',
    estimate: 2,
    budget: 1,
    msg: 'BUDGETS=enforce would refuse an operation.',
  });
});

describe('of the bundled graph', () => {
  const CRM = '{ customers(first: 1) { edges { node { email } } } }';

  test('calls to providers count, and reads from the cache do not', async () => {
    const { path } = writePlans({ default: 'a', plans: { a: { calls: { limit: 100, seconds: 60 } } } });
    const env = { CACHE_MAX_MIB: '16', HUBSPOT_CACHE: 'lists=600/600/3600,contacts=600/600/3600', PLANS: path };
    const stack = await startStack({ env });
    onTestFinished(stack.close);
    const first = await send(stack, CRM);
    const calls = stack.hubspot.calls.length;
    expect(calls).toBeGreaterThan(0);
    expect([first.left, first.extensions]).toEqual([100 - calls, undefined]);
    expect((await send(stack, CRM)).left).toBe(100 - calls);
    expect(stack.hubspot.calls).toHaveLength(calls);
  });

  test('a call counts although a stale value is served before it ends', async () => {
    const { path } = writePlans({ default: 'a', plans: { a: { calls: { limit: 100, seconds: 60 } } } });
    const env = { CACHE_MAX_MIB: '16', HUBSPOT_CACHE: 'lists=1/1/3600,contacts=1/1/3600', PLANS: path };
    const stack = await startStack({ env });
    onTestFinished(stack.close);
    await send(stack, CRM);
    advanceClock(600_000);
    const gate = Promise.withResolvers<undefined>();
    onTestFinished(() => gate.resolve(undefined));
    stack.hubspot.fail({ until: gate.promise });
    const { left, extensions } = await send(stack, CRM);
    expect([left, extensions?.tributary]).toMatchObject([99, { stale: [{ reason: 'UPSTREAM_TIMEOUT' }] }]);
  });

  test.each([
    ['callsPerDay', { callsPerDay: { payments: 4 } }],
    ['calls', { calls: { limit: 4, seconds: 60 } }],
  ])('a mutation may use all calls that are left of %s', async (_, plan) => {
    const stack = await startStack({ env: { PLANS: writePlans({ default: 'a', plans: { a: plan } }).path } });
    onTestFinished(stack.close);
    // Expected are two: most payments are of a known customer. Here, the customer has to be looked up and created.
    const amount = '{ amount: "5.00", currency: "EUR" }';
    const input = `{ customerEmail: "new@customers.example", amount: ${amount}, idempotencyKey: "${crypto.randomUUID()}" }`;
    const { errors } = await send(stack, `mutation { createPayment(input: ${input}) { payment { id } } }`);
    expect(errors).toBeUndefined();
    expect(stack.stripe.calls).toHaveLength(4);
  });

  test('an operation stops where its budget ends, and keeps what it has read', async () => {
    const { path } = writePlans({ default: 'a', plans: { a: { callsPerOperation: { payments: 11 } } } });
    const file = auditFile();
    const stack = await startStack({ env: { PLANS: path, AUDIT_LOG: file } });
    onTestFinished(stack.close);
    // Expected are five searches for accounts and five for payments. Here, each takes three pages.
    stack.stripe.fail({
      on: 'customers/search',
      times: 10,
      rewrite: (body) => body.replace('"has_more":false,"next_page":null', '"has_more":true,"next_page":"MA"'),
    });
    const query = '{ customers(first: 50) { edges { node { id payments(first: 1) { edges { node { id } } } } } } }';
    const { status, data, errors = [] } = await send(stack, query);
    expect(status).toBe(200);
    expect((data as { customers: { edges: unknown[] } }).customers.edges).toHaveLength(50);
    expect(new Set(errors.map(({ extensions }) => extensions['code']))).toEqual(new Set(['BUDGET_EXCEEDED']));
    expect(stack.stripe.calls).toHaveLength(11);
    // The audit log has only the operation that was not executed.
    const larger = query.replace('50', '100');
    expect((await send(stack, larger)).status).toBe(400);
    await expect.poll(() => recordsOf(file, 'request.refused')).not.toEqual([]);
    expect(recordsOf(file, 'request.refused')).toHaveLength(1);
  });

  test('a subgraph over HTTP gets what earlier requests of the operation have left of the budget', async () => {
    const [account] = createCompany().accounts.filter(({ payments }) => payments.length > 0);
    const customer = { __typename: 'Customer', email: account?.email };
    const allowances: unknown[] = [];
    const server = await startHttpServer(async (request, response) => {
      allowances.push(request.headers['x-tributary-allowance']);
      const isFirst = !(await text(request)).includes('_entities');
      const data = isFirst ? { customer } : { _entities: [{ firstName: 'Ada' }] };
      const calls = [{ subgraph: 'crm', operation: 'POST /read', calls: 4 }];
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ data, extensions: { tributary: { calls } } }));
    });
    onTestFinished(server.close);
    const { path } = writePlans({ default: 'a', plans: { a: { callsPerOperation: { crm: 5 } } } });
    const stack = await startStack({ env: { PLANS: path, CRM_URL: `${server.url}/graphql` } });
    onTestFinished(stack.close);
    const query = `{ customer(email: "${account?.email}") { payments(first: 1) { edges { node { customer { firstName } } } } } }`;
    expect((await send(stack, query)).errors).toBeUndefined();
    expect(allowances).toEqual(['5;5', '1;1']);
  });

  test('a subgraph over HTTP reports its calls, which count where a plan limits them', async () => {
    const received: unknown[] = [];
    const row = { subgraph: 'payments', operation: 'GET /v1/payment_intents', calls: 6.5 };
    const server = await startHttpServer((request, response) => {
      received.push(request.headers['x-tributary-report']);
      const data = { payment: { id: 'pi_3x', status: 'SUCCEEDED' } };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ data, extensions: { tributary: { calls: [row] } } }));
    });
    onTestFinished(server.close);
    const plans = {
      plans: { a: { calls: { limit: 100, seconds: 60 }, callsPerDay: { payments: 10 } }, b: {} },
      clients: { 'jwt:limited': 'a', 'jwt:other': 'b' },
    };
    const env = {
      ...TOKEN_ENV,
      PLANS: writePlans(plans).path,
      PAYMENTS_URL: `${server.url}/graphql`,
      SUBGRAPH_SECRET: '',
    };
    const stack = await startStack({ env });
    onTestFinished(stack.close);
    const query = '{ payment(id: "pi_3x") { id status } }';
    const as = (subject: string) => ({ headers: headersOf({ subject, scopes: ['payments:read'] }) });
    const other = await send(stack, query, as('other'));
    expect([other.status, other.left, other.extensions, received]).toEqual([200, undefined, undefined, ['1']]);
    const limited = await send(stack, query, as('limited'));
    expect([limited.status, limited.left, limited.extensions, received.at(-1)]).toEqual([200, 93, undefined, '1']);
    expect((await send(stack, query, as('limited'))).left).toBe(86);
    // More was spent than reserved: 14 of 10. A part of a call counts as one.
    expect((await send(stack, query, as('limited'))).status).toBe(429);
  });
});

describe.skipIf(!hasTool('redis-server'))('with Redis', () => {
  let port: number;
  let redis: Spawned;
  beforeEach(async () => {
    port = await freePort();
    redis = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
  });
  afterEach(() => redis.stop());

  const redisIs = (gateway: Gateway, state: string) =>
    expect.poll(async () => (await fetch(`${gateway.url}/health/ready`)).json()).toMatchObject({ redis: state });
  const startShared = async (plan: object, env: Record<string, string> = {}): Promise<Gateway> => {
    const gateway = await start(plan, { REDIS_URL: `redis://127.0.0.1:${port}`, REDIS_TIMEOUT_MS: '20000', ...env });
    await redisIs(gateway, 'ok');
    return gateway;
  };

  test('two gateways under load spend one budget exactly', async () => {
    const plan = { callsPerDay: { people: 100 }, calls: { limit: 1_000, seconds: 60 } };
    const gateways = [await startShared(plan), await startShared(plan)] as const;
    const answers = await Promise.all(
      Array.from({ length: 240 }, (_, index) =>
        send(gateways[index % 2 ? 0 : 1], FRIEND, { variables: { id: 1 + (index % 2) } }),
      ),
    );
    const served = answers.filter(({ status }) => status === 200).length;
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(240 - served);
    // Reservations of two calls that spend one leave room for others later: then one at a time spends the rest.
    let rest = 0;
    while ((await send(gateways[0], PERSON)).status === 200) rest += 1;
    const spent = gateways.map(({ subgraphs }) => subgraphs.people.requests.length);
    expect([(spent[0] as number) + (spent[1] as number), rest < 100]).toEqual([100, true]);
    expect((await send(gateways[1], PERSON)).status).toBe(429);
    expect((await send(gateways[1], '{ __typename }')).status).toBe(200);
  });

  test('a gateway that restarts goes on counting', async () => {
    const plan = { callsPerDay: { people: 2 } };
    expect((await send(await startShared(plan), FRIEND)).status).toBe(200);
    const restarted = await startShared(plan);
    const { budget } = await explain(restarted, PERSON);
    expect(budget).toMatchObject({ subgraph: 'people', estimate: 1, budget: 2, left: 0 });
    expect((await send(restarted, PERSON)).status).toBe(429);
  });

  test('given an outage, then a process counts alone, or operations with a budget are refused', async () => {
    const plan = { callsPerDay: { people: 1 } };
    const local = await startShared(plan);
    const refusing = await startShared(plan, { CLIENT_LIMITS_WITHOUT_REDIS: 'refuse' });
    expect([(await send(local, PERSON)).status, (await send(local, PERSON)).status]).toEqual([200, 429]);
    redis.process.kill('SIGKILL');
    await redis.ended;
    await Promise.all([redisIs(local, 'down'), redisIs(refusing, 'down')]);
    expect([(await send(local, PERSON)).status, (await send(local, PERSON)).status]).toEqual([200, 429]);
    const { status, errors, headers } = await send(refusing, PERSON);
    expect([status, errors?.[0]?.extensions, headers.get('retry-after')]).toEqual([
      503,
      { code: 'LIMITS_UNAVAILABLE' },
      '1',
    ]);
    expect((await send(refusing, '{ __typename }')).status).toBe(200);
    expect(fetchesOf(refusing)).toEqual([0, 0]);
  });
});
