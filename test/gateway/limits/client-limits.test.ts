import { createClient } from '@keyv/redis';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { clientOf } from '../../../gateway/cost/client.ts';
import { startGateway } from '../../../gateway/start.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../../subgraphs/kit/identity.ts';
import { auditFile, recordsOf } from '../../helpers/audit.ts';
import { advanceClock, resetClock, stopClock } from '../../helpers/clock.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { type PlansFile, policiesIn, writePlans } from '../../helpers/plans.ts';
import { freePort, type Spawned, startProcess } from '../../helpers/processes.ts';
import { headersOf, signToken, TOKEN_ENV } from '../../helpers/tokens.ts';
import { hasTool } from '../../helpers/tools.ts';

/* Limits of clients on requests. */

const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };
const VERSION = JSON.stringify({ query: '{ version }' });
type Gateway = Federation<'one'>;
type Sent = {
  readonly status: number;
  readonly code: unknown;
  readonly extensions: unknown;
  readonly headers: Headers;
};

const serve = async (plans: unknown, env: Record<string, string> = {}): Promise<Gateway & { plans: PlansFile }> => {
  const file = writePlans(plans);
  const gateway = await startFederation({ one: SCHEMA }, { PLANS: file.path, ...env });
  onTestFinished(() => gateway.close());
  return { ...gateway, plans: file };
};

const send = async ({ url }: { url: string }, headers: Record<string, string> = {}, body = VERSION): Promise<Sent> => {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  const { errors } = (await response.json()) as { errors?: { extensions?: { code?: unknown } }[] };
  const extensions = errors?.[0]?.extensions;
  return { status: response.status, code: extensions?.code, extensions, headers: response.headers };
};

const statusesOf = async (count: number, gateway: Gateway, headers?: Record<string, string>): Promise<number[]> => {
  const statuses: number[] = [];
  for (let index = 0; index < count; index++) statuses.push((await send(gateway, headers)).status);
  return statuses;
};

const limitedTo = (limit: number, seconds = 60) => ({
  default: 'standard',
  plans: { standard: { requests: { limit, seconds } } },
});
const tokenOf = (subject: string) => headersOf({ subject });

beforeEach(stopClock);
afterEach(resetClock);

describe('requests', () => {
  test('a client over its limit is refused, until the time in Retry-After', async () => {
    const gateway = await serve(limitedTo(3));
    const first = await send(gateway);
    expect(first.status).toBe(200);
    expect(policiesIn(first.headers, 'ratelimit-policy')).toEqual({ requests: { q: 3, w: 60 } });
    expect(policiesIn(first.headers, 'ratelimit')).toEqual({ requests: { r: 2, t: expect.any(Number) } });
    expect(first.headers.get('ratelimit-policy')).toBe('"requests";q=3;w=60');
    expect(await statusesOf(2, gateway)).toEqual([200, 200]);
    const refused = await send(gateway);
    expect([refused.status, refused.extensions]).toEqual([429, { code: 'RATE_LIMITED', limit: 3, seconds: 60 }]);
    const retryAfter = Number(refused.headers.get('retry-after'));
    expect(policiesIn(refused.headers, 'ratelimit')).toEqual({ requests: { r: 0, t: retryAfter } });
    expect(gateway.subgraphs.one.requests).toHaveLength(3);
    advanceClock((retryAfter - 1) * 1_000);
    expect((await send(gateway)).status).toBe(429);
    advanceClock(1_000);
    expect((await send(gateway)).status).toBe(200);
    // Refused requests are not counted.
    advanceClock(120_000);
    expect(policiesIn((await send(gateway)).headers, 'ratelimit')).toMatchObject({ requests: { r: 2 } });
  });

  test('a request is counted before its body is read, and not if its credentials are invalid', async () => {
    const gateway = await serve(limitedTo(3), TOKEN_ENV);
    const invalid = await send(gateway, tokenOf('ada'), '{"query":');
    expect([invalid.status, policiesIn(invalid.headers, 'ratelimit')]).toEqual([
      400,
      { requests: { r: 2, t: expect.any(Number) } },
    ]);
    const forged = await send(gateway, { authorization: 'Bearer x' });
    expect([forged.status, forged.headers.get('ratelimit')]).toEqual([401, null]);
    expect(policiesIn((await send(gateway, tokenOf('ada'))).headers, 'ratelimit')).toMatchObject({
      requests: { r: 1 },
    });
  });

  test('each client has a limit of its own, whatever its address is', async () => {
    const gateway = await serve(limitedTo(1), TOKEN_ENV);
    for (const subject of ['ada', 'bjorn']) {
      expect(await statusesOf(2, gateway, tokenOf(subject))).toEqual([200, 429]);
    }
    expect(await statusesOf(2, gateway)).toEqual([200, 429]);
  });

  test('a client’s plan is the listed one, else the one in its token, else the default', async () => {
    const plan = (limit: number) => ({ requests: { limit, seconds: 60 } });
    const gateway = await serve(
      {
        default: 'low',
        plans: { low: plan(1), middle: plan(2), high: plan(3), highest: plan(4), free: {} },
        clients: {
          'jwt:listed': 'high',
          'jwt:same': 'low',
          [`jwt:${TOKEN_ENV.JWT_ISSUER}#same`]: 'highest',
          'jwt:https://other.example#other': 'highest',
          'anonymous:anonymous': 'free',
        },
        claim: 'app.plan',
      },
      TOKEN_ENV,
    );
    const quotaOf = async (sub: string, plan?: unknown): Promise<unknown> => {
      const claims = { iss: TOKEN_ENV.JWT_ISSUER, aud: TOKEN_ENV.JWT_AUDIENCE, sub, app: { plan } };
      const token = signToken({ ...claims, exp: Date.now() / 1_000 + 600 }, TOKEN_ENV.JWT_SECRET);
      const { headers } = await send(gateway, { authorization: `Bearer ${token}` });
      return policiesIn(headers, 'ratelimit-policy')['requests'];
    };
    expect(await quotaOf('listed', 'middle')).toMatchObject({ q: 3 });
    // A subject of this issuer goes before the same of any, and that of another issuer is somebody else.
    expect(await quotaOf('same')).toMatchObject({ q: 4 });
    expect(await quotaOf('other', 'middle')).toMatchObject({ q: 2 });
    expect(await quotaOf('other')).toMatchObject({ q: 1 });
    for (const unknown of ['none such', '__proto__', 7, null, ['high']])
      expect(await quotaOf('other', unknown)).toMatchObject({ q: 1 });
    const anonymous = await send(gateway);
    expect([anonymous.status, anonymous.headers.get('ratelimit-policy')]).toEqual([200, null]);
  });

  test('health and preflight requests are not limited, and browsers may read the headers', async () => {
    const gateway = await serve(limitedTo(1), { CORS_ORIGINS: 'https://app.example' });
    const origin = { origin: 'https://app.example' };
    const preflight = { ...origin, 'access-control-request-method': 'POST' };
    for (let index = 0; index < 3; index++) {
      expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
      const options = await fetch(`${gateway.url}/graphql`, { method: 'OPTIONS', headers: preflight });
      expect(options.status).toBe(204);
    }
    const [served, refused] = [await send(gateway, origin), await send(gateway, origin)];
    expect([served.status, refused.status]).toEqual([200, 429]);
    for (const { headers } of [served, refused])
      expect(headers.get('access-control-expose-headers')).toBe('ratelimit, ratelimit-policy, retry-after');
  });

  test('without plans, there are no headers and no limits', async () => {
    const gateway = await startFederation({ one: SCHEMA });
    onTestFinished(() => gateway.close());
    const { status, headers } = await send(gateway);
    expect([status, headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([200, null, null]);
  });

  test('refusals are in the audit log', async () => {
    const file = auditFile();
    const gateway = await serve(limitedTo(1), { AUDIT_LOG: file, ...TOKEN_ENV });
    await statusesOf(3, gateway, tokenOf('ada'));
    await expect.poll(() => recordsOf(file, 'request.refused')).toHaveLength(2);
    expect(recordsOf(file, 'request.refused')[0]).toMatchObject({ code: 'RATE_LIMITED', who: { subject: 'ada' } });
  });
});

test.each<[name: string, one: [Partial<Identity>, string], other: [Partial<Identity>, string], isSame: boolean]>([
  ['one address', [ANONYMOUS, '10.0.0.1'], [UNRESTRICTED, '10.0.0.1'], true],
  ['two addresses', [ANONYMOUS, '10.0.0.1'], [ANONYMOUS, '10.0.0.2'], false],
  ['an IPv4 address in both forms', [ANONYMOUS, '10.0.0.1'], [ANONYMOUS, '::ffff:10.0.0.1'], true],
  ['two addresses of a /64', [ANONYMOUS, '2001:db8::1'], [ANONYMOUS, '2001:db8:0:0:ffff::9'], true],
  ['two spellings', [ANONYMOUS, '2001:0DB8:1:2::'], [ANONYMOUS, '2001:db8:1:2:3:4:5:6'], true],
  ['two /64', [ANONYMOUS, '2001:db8:1:2::1'], [ANONYMOUS, '2001:db8:1:3::1'], false],
  ['a link-local address with a zone', [ANONYMOUS, 'fe80::1%eth0'], [ANONYMOUS, 'fe80::2'], true],
  ['anonymous senders who choose a tenant', [{ tenant: 'a' }, '10.0.0.1'], [{ tenant: 'b' }, '10.0.0.1'], true],
  ['a subject at two addresses', [{ method: 'jwt' }, '10.0.0.1'], [{ method: 'jwt' }, '10.0.0.2'], true],
  ['two methods', [{ method: 'jwt' }, '10.0.0.1'], [{ method: 'api-key' }, '10.0.0.1'], false],
  ['two tenants', [{ method: 'jwt', tenant: 'a' }, '1.1.1.1'], [{ method: 'jwt', tenant: 'b' }, '1.1.1.1'], false],
])('clients: %s', (_, [one, address], [other, otherAddress], isSame) => {
  const idOf = (identity: Partial<Identity>, from: string) => clientOf({ ...ANONYMOUS, ...identity }, from).id;
  expect(idOf(one, address) === idOf(other, otherAddress)).toBe(isSame);
});

describe('the file', () => {
  test('given a change, then it applies within about a second; given an invalid one, then the plans stay', async () => {
    resetClock();
    const plans = writePlans(limitedTo(5_000));
    const started = startProcess(['node', 'gateway/main.ts'], { PLANS: plans.path, PORT: '0', LOG_LEVEL: 'info' });
    onTestFinished(started.stop);
    const urlOf = () => /answers at (\S+)\/graphql/.exec(started.output())?.[1] ?? '';
    await expect.poll(urlOf).not.toBe('');
    const quota = async () =>
      (policiesIn((await send({ url: urlOf() })).headers, 'ratelimit-policy')['requests'] as { q?: number } | undefined)
        ?.q;
    expect(await quota()).toBe(5_000);
    plans.write('default: standard\nplans:\n  standard: { requests: { limit: 6000, seconds: 60 } }');
    await expect.poll(quota).toBe(6_000);
    plans.write({ default: 'other', plans: { standard: {} } });
    await expect.poll(started.output).toContain('PLANS: default names the plan');
    expect(await quota()).toBe(6_000);
    plans.write({ plans: { standard: {} } });
    await expect.poll(quota).toBeUndefined();
  });

  const START = { PORT: '0', LOG_LEVEL: 'silent' };
  const problemOf = (env: Record<string, string>) =>
    startGateway({ ...START, ...env }).then(
      (gateway) => gateway.close(),
      (error: Error) => [error.name, error.message],
    );

  test.each([
    ['has no plans', 'default: a', 'PLANS: plans is required.'],
    ['is empty', '', 'PLANS: the file must be an object.'],
    ['is no YAML', 'plans: [', 'PLANS: line 1 is not valid YAML.'],
    ['repeats a plan', 'plans:\n  a: {}\n  a: {}', 'PLANS: line 3 repeats a key of the same object.'],
    [
      'has an unknown default',
      'default: b\nplans: { a: {} }',
      'PLANS: default names the plan b, which does not exist.',
    ],
    [
      'has a client with an unknown plan',
      'plans: { a: {} }\nclients: { "api-key:x": a, "jwt:y": b }',
      'PLANS: the 2nd of clients names the plan b, which does not exist.',
    ],
    [
      'has a client without a method',
      'plans: { a: {} }\nclients: { billing: a }',
      'PLANS: a name in clients must have the form <method>:<subject>, e.g. api-key:billing.',
    ],
    ['has an unknown field', 'plans: { a: { request: {} } }', 'PLANS: plans.a.request is unknown.'],
    ['has an unknown root field', 'plan: a\nplans: { a: {} }', 'PLANS: plan is unknown.'],
    [
      'has a limit of zero',
      'plans: { a: { requests: { limit: 0, seconds: 60 } } }',
      'PLANS: plans.a.requests.limit must be at least 1.',
    ],
    [
      'has half a second',
      'plans: { a: { calls: { limit: 1, seconds: 0.5 } } }',
      'PLANS: plans.a.calls.seconds must be a whole number.',
    ],
    [
      'has a limit without a time',
      'plans: { a: { calls: { limit: 1 } } }',
      'PLANS: plans.a.calls.seconds is required.',
    ],
    ['has no weight', 'plans: { a: { weight: 0 } }', 'PLANS: plans.a.weight must be at least 0.01.'],
    [
      'has a weight that subgraphs would ignore',
      'plans: { a: { weight: 101 } }',
      'PLANS: plans.a.weight must be at most 100.',
    ],
    [
      'has a budget of zero',
      'plans: { a: { callsPerDay: { crm: 0 } } }',
      'PLANS: plans.a.callsPerDay.crm must be at least 1.',
    ],
    [
      'has a budget for no subgraph of the graph',
      'plans: { a: { callsPerOperation: { crn: 5 } } }',
      'PLANS: plans.a.callsPerOperation.crn is not a subgraph of the graph.',
    ],
    ['has text for a limit', 'plans: { a: { requests: 5 } }', 'PLANS: plans.a.requests must be an object.'],
    [
      'has a secret for a name',
      'plans: { a: {}, sk_live_0123456789012345678901234567: { weight: sk_live_1 } }',
      'PLANS: plans.(a name).weight must be a number.',
    ],
  ])('that %s stops the start', async (_, text, message) => {
    expect(await problemOf({ PLANS: writePlans(text).path })).toEqual(['ConfigError', message]);
  });

  test('all problems are named at once', async () => {
    const { path } = writePlans({ plans: { a: { weight: -1, requests: { limit: 1.5, seconds: 90_000 } } } });
    expect(await problemOf({ PLANS: path })).toEqual([
      'ConfigError',
      [
        'PLANS: plans.a.weight must be at least 0.01.',
        'PLANS: plans.a.requests.limit must be a whole number.',
        'PLANS: plans.a.requests.seconds must be at most 86400.',
      ].join('\n'),
    ]);
  });

  test('that is missing, and settings that contradict it, stop the start', async () => {
    const { path } = writePlans(limitedTo(1));
    expect(await problemOf({ PLANS: `${path}.missing` })).toEqual([
      'ConfigError',
      `PLANS: the file ${path}.missing cannot be read: ENOENT.`,
    ]);
    expect(await problemOf({ PLANS: path, CLIENT_LIMITS_WITHOUT_REDIS: 'refuse' })).toEqual([
      'ConfigError',
      'REDIS_URL: is required with CLIENT_LIMITS_WITHOUT_REDIS=refuse',
    ]);
    expect((await problemOf({ PLANS: path, CLUSTER_WORKERS: '2', SUPERGRAPH: 'x.graphql' }))?.[1]).toContain(
      'CLUSTER_WORKERS: must be 1 with PLANS and without REDIS_URL',
    );
  });

  test('that is invalid ends the process with exit code 78', { tags: ['long'] }, async () => {
    const { path } = writePlans('plans: {}');
    const started = startProcess(['node', 'gateway/main.ts'], { PLANS: path, PORT: '0' });
    expect(await started.ended).toBe(78);
    expect(started.output()).toBe('Tributary cannot start: PLANS: plans must have at least one plan.\n');
  });
});

describe.skipIf(!hasTool('redis-server'))('with Redis', () => {
  let port: number;
  let redis: Spawned;
  const startRedis = () =>
    startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
  beforeEach(async () => {
    port = await freePort();
    redis = startRedis();
  });
  afterEach(() => redis.stop());

  const REDIS = { REDIS_TIMEOUT_MS: '20000', ...TOKEN_ENV };
  const redisIs = (gateway: Gateway, state: string) =>
    expect.poll(async () => (await fetch(`${gateway.url}/health/ready`)).json()).toMatchObject({ redis: state });
  const serveShared = async (plans: unknown, env: Record<string, string> = {}) => {
    const gateway = await serve(plans, { REDIS_URL: `redis://127.0.0.1:${port}`, ...REDIS, ...env });
    await redisIs(gateway, 'ok');
    return gateway;
  };

  test('two gateways under load share one limit exactly', async () => {
    // A day, so that the window does not move meanwhile, however busy the machine.
    const plans = limitedTo(200, 86_400);
    const gateways = [await serveShared(plans), await serveShared(plans)] as const;
    const statuses = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => (await send(gateways[index % 2 ? 0 : 1], tokenOf('ada'))).status),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(200);
    expect(statuses.filter((status) => status === 429)).toHaveLength(300);
    expect((await send(gateways[0], tokenOf('bjorn'))).status).toBe(200);
  });

  test('a gateway that restarts goes on counting', async () => {
    const first = await serveShared(limitedTo(2));
    expect(await statusesOf(2, first)).toEqual([200, 200]);
    expect(await statusesOf(1, await serveShared(limitedTo(2)))).toEqual([429]);
  });

  test('given an outage, then each gateway counts alone, until Redis is back', async () => {
    const gateways = [await serveShared(limitedTo(2)), await serveShared(limitedTo(2))] as const;
    expect(await statusesOf(3, gateways[0])).toEqual([200, 200, 429]);
    redis.process.kill('SIGKILL');
    await redis.ended;
    for (const gateway of gateways) {
      await redisIs(gateway, 'down');
      expect(await statusesOf(3, gateway)).toEqual([200, 200, 429]);
    }
    redis = startRedis();
    for (const gateway of gateways) await redisIs(gateway, 'ok');
    expect([...(await statusesOf(1, gateways[0])), ...(await statusesOf(2, gateways[1]))]).toEqual([200, 200, 429]);
  });

  test('given an outage and CLIENT_LIMITS_WITHOUT_REDIS=refuse, then limited clients are refused', async () => {
    const plans = { plans: { limited: { requests: { limit: 9, seconds: 60 } } }, clients: { 'jwt:ada': 'limited' } };
    const gateway = await serveShared(plans, { CLIENT_LIMITS_WITHOUT_REDIS: 'refuse' });
    expect((await send(gateway, tokenOf('ada'))).status).toBe(200);
    redis.process.kill('SIGKILL');
    await redis.ended;
    await redisIs(gateway, 'down');
    const { status, code, headers } = await send(gateway, tokenOf('ada'));
    expect([status, code, headers.get('retry-after')]).toEqual([503, 'LIMITS_UNAVAILABLE', '1']);
    expect((await send(gateway, tokenOf('bjorn'))).status).toBe(200);
    redis = startRedis();
    await redisIs(gateway, 'ok');
    expect((await send(gateway, tokenOf('ada'))).status).toBe(200);
  });

  test('foreign data in Redis limits nobody', async () => {
    const gateway = await serveShared(limitedTo(2));
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    client.on('error', () => {});
    await client.connect();
    onTestFinished(() => client.destroy());
    await send(gateway);
    for (const key of await client.keys('tributary:limits:*')) await client.set(key, 'x'.repeat(100_000));
    expect(await statusesOf(3, gateway)).toEqual([200, 200, 429]);
  });
});
