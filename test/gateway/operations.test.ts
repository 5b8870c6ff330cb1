import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Federation, startFederation } from '../helpers/federation.ts';
import { startProcess } from '../helpers/processes.ts';
import { createAsk } from '../helpers/stack.ts';
import { composeSubgraphs, type SubgraphServer, startSubgraph } from '../helpers/subgraph-server.ts';

/* The gateway under changes of its environment: supergraph updates, overload, crashed workers. */

const SCHEMA = 'type Query { version: String  old: String }';
const NEXT = 'type Query { version: String  fresh: String }';
const first = { schema: SCHEMA, fields: { 'Query.version': () => 'first', 'Query.old': () => 'old' } };
const second = { schema: NEXT, fields: { 'Query.version': () => 'second', 'Query.fresh': () => 'fresh' } };

let federation: Federation<'one'>;
let isStarted = false;
const start = async (env?: Record<string, string>): Promise<Federation<'one'>> => {
  federation = await startFederation({ one: first }, env);
  isStarted = true;
  return federation;
};
let others: { close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  if (isStarted) await federation.close();
  isStarted = false;
  await Promise.all(others.map((one) => one.close()));
  others = [];
});

const startSecond = async (): Promise<SubgraphServer> => {
  const started = await startSubgraph(second);
  others.push(started);
  return started;
};

/** Repeats a query until the response is as expected. The file is polled twice a second. */
const until = (isSo: () => Promise<boolean>): Promise<boolean> =>
  vi.waitUntil(isSo, { timeout: 120_000, interval: 10 });

describe('a supergraph update', () => {
  test('given load, then no request fails, and none is executed by two versions', async () => {
    const { ask, change } = await start();
    const next = await startSecond();
    const answers: string[] = [];
    let isDone = false;
    const client = async () => {
      while (!isDone) {
        const { data, errors } = await ask<{ version: string; again: string }>('{ version again: version }');
        answers.push(errors ? 'error' : `${data?.version} ${data?.again}`);
      }
    };
    const clients = Array.from({ length: 10 }, client);
    await until(async () => answers.length > 50);
    await change(composeSubgraphs({ one: { schema: NEXT, url: next.url } }));
    await until(async () => (await ask('{ fresh }')).errors === undefined);
    const before = answers.length;
    await until(async () => answers.length > before + 50);
    isDone = true;
    await Promise.all(clients);
    expect(new Set(answers)).toEqual(new Set(['first first', 'second second']));
    expect((await ask('{ old }')).errors?.[0]?.extensions?.['code']).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  test('given a running request, then it finishes with the version that it started with', async () => {
    const { ask, change, subgraphs } = await start();
    const next = await startSecond();
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()];
    subgraphs.one.before = () => {
      reached.resolve();
      return gate.promise;
    };
    const begun = ask('{ old }');
    await reached.promise;
    await change(composeSubgraphs({ one: { schema: NEXT, url: next.url } }));
    await until(async () => (await ask('{ fresh }')).errors === undefined);
    gate.resolve(false);
    expect(await begun).toMatchObject({ data: { old: 'old' }, errors: undefined });
  });

  test.each([
    ['text that is not GraphQL', 'once upon a time'],
    ['a schema that is not a supergraph', 'type Query { version: Int }'],
    [
      'a supergraph with missing types',
      composeSubgraphs({ one: { schema: SCHEMA, url: 'http://127.0.0.1:1' } }).replaceAll('String', 'Nothing'),
    ],
    ['a subgraph without a URL', composeSubgraphs({ one: { schema: SCHEMA, url: '' } })],
  ])('given %s, then the previous version stays active, and a later valid one is loaded', async (_, bad) => {
    const { ask, change, subgraphs } = await start();
    expect((await ask('{ old }')).data).toEqual({ old: 'old' });
    await change(bad);
    const good = composeSubgraphs({
      one: { schema: `${SCHEMA} extend type Query { more: String }`, url: subgraphs.one.url },
    });
    const started = performance.now();
    await until(async () => {
      const { data } = await ask('{ old }');
      expect(data).toEqual({ old: 'old' });
      // Long enough for the file to have been polled.
      return performance.now() - started > 1_200;
    });
    await change(good);
    await until(async () => (await ask('{ more }')).errors?.[0]?.extensions?.['code'] !== 'GRAPHQL_VALIDATION_FAILED');
    expect((await ask('{ old }')).data).toEqual({ old: 'old' });
  });
});

test('given a subgraph that is down at startup, then the gateway starts, and its fields fail until it is up', async () => {
  const { ask, change, subgraphs } = await start();
  const schema = 'type Query { other: String }';
  const other = await startSubgraph({ schema, fields: { 'Query.other': () => 'here' } });
  await change(composeSubgraphs({ one: { schema: SCHEMA, url: subgraphs.one.url }, two: { schema, url: other.url } }));
  await until(async () => (await ask('{ other }')).errors === undefined);
  await other.close();
  const { data, errors } = await ask('{ version other }');
  expect(data).toEqual({ version: 'first', other: null });
  expect(errors).toMatchObject([{ path: ['other'], extensions: { code: 'UPSTREAM_UNAVAILABLE', serviceName: 'two' } }]);
});

describe('too many requests', () => {
  test('given a full queue, then the next request immediately gets Retry-After, and the others are answered', async () => {
    const { url, subgraphs } = await start({ MAX_REQUESTS: '2', MAX_WAITING_REQUESTS: '3' });
    const gate = Promise.withResolvers<boolean>();
    subgraphs.one.before = () => gate.promise;
    const post = (name: number) =>
      fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: `{ v${name}: version }` }),
      });
    let refused = 0;
    const answers = Array.from({ length: 8 }, async (_, index) => {
      const response = await post(index);
      if (response.status === 503) refused += 1;
      return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
    });
    expect(await Promise.race(answers)).toMatchObject({
      status: 503,
      retryAfter: '1',
      body: { errors: [{ extensions: { code: 'OVERLOADED' } }] },
    });
    await until(async () => refused === 3);
    gate.resolve(false);
    const all = await Promise.all(answers);
    expect(all.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(all.filter(({ status }) => status === 503)).toHaveLength(3);
    expect((await post(9)).status).toBe(200);
  });

  test('given clients that disconnect while waiting or running, then their slots are released', async () => {
    const { ask, subgraphs } = await start({ MAX_REQUESTS: '1', MAX_WAITING_REQUESTS: '1' });
    const reached = Promise.withResolvers<void>();
    subgraphs.one.before = (_response, { query }) => {
      if (!query.includes('slow')) return false;
      reached.resolve();
      return new Promise(() => {});
    };
    const leaving = new AbortController();
    const running = ask('{ slow: version }', {}, { signal: leaving.signal }).catch(() => 'left');
    await reached.promise;
    const waiting = ask('{ version }', {}, { signal: leaving.signal }).catch(() => 'left');
    await until(async () => (await ask('{ version }')).status === 503);
    leaving.abort();
    expect(await Promise.all([running, waiting])).toEqual(['left', 'left']);
    await until(async () => (await ask('{ version }')).status === 200);
  });
});

const CREDENTIALS = {
  STRIPE_API_KEY: 'sk_test_x',
  HUBSPOT_ACCESS_TOKEN: 'pat-x',
  OPENMAGE_WSDL_URL: 'http://127.0.0.1:1/wsdl',
  OPENMAGE_USERNAME: 'u',
  OPENMAGE_API_KEY: 'k',
};

/** Returns the child processes of a process. Linux only. */
const workersOf = (pid = -1): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);

describe('CLUSTER_WORKERS', () => {
  const startCluster = (env: Record<string, string>) => {
    const spawned = startProcess(['node', 'gateway/main.ts'], { PORT: '0', LOG_LEVEL: 'error', ...env });
    others.push({ close: spawned.stop });
    return spawned;
  };

  test('given two workers, when one is killed, then the other responds, a replacement starts, and all stop together', {
    tags: ['long'],
  }, async () => {
    const { gateway } = await start();
    const spawned = startCluster({ CLUSTER_WORKERS: '2', SUPERGRAPH: String(gateway.config.supergraphFile) });
    await until(async () => spawned.output().includes('/graphql'));
    const [url = ''] = /http:\S+\/graphql/.exec(spawned.output()) ?? [];
    const ask = createAsk(url);
    expect((await ask('{ version }')).data).toEqual({ version: 'first' });
    const pids = workersOf(spawned.process.pid);
    expect(pids).toHaveLength(2);
    process.kill(pids[0] as number, 'SIGKILL');
    // Every client gets a response or an error, including those that connect while the worker dies.
    const askOrFail = () => ask('{ version }').catch(() => ({ data: { version: 'first' } }));
    const answers = await Promise.all(Array.from({ length: 20 }, askOrFail));
    for (const { data } of answers) expect(data).toEqual({ version: 'first' });
    await until(async () => {
      expect((await askOrFail()).data).toEqual({ version: 'first' });
      const now = workersOf(spawned.process.pid);
      return now.length === 2 && !now.includes(pids[0] as number);
    });
    expect(spawned.output()).toContain('A worker exited');
    spawned.process.kill('SIGTERM');
    expect(await spawned.ended).toBe(0);
  });

  test('given a worker that is stuck, when the cluster stops, then the worker is killed', {
    tags: ['long'],
  }, async () => {
    const { gateway } = await start();
    const spawned = startCluster({
      CLUSTER_WORKERS: '2',
      SHUTDOWN_GRACE_MS: '100',
      SUPERGRAPH: String(gateway.config.supergraphFile),
    });
    await until(async () => spawned.output().includes('/graphql'));
    process.kill(workersOf(spawned.process.pid)[0] as number, 'SIGSTOP');
    spawned.process.kill('SIGTERM');
    expect(await spawned.ended).toBe(0);
  });

  test('given a port in use by another cluster, then the gateway refuses to start', { tags: ['long'] }, async () => {
    const { gateway } = await start();
    const env = { CLUSTER_WORKERS: '2', SUPERGRAPH: String(gateway.config.supergraphFile) };
    const spawned = startCluster(env);
    await until(async () => spawned.output().includes('/graphql'));
    const [, port = ''] = /:(\d+)\/graphql/.exec(spawned.output()) ?? [];
    const second = startCluster({ ...env, PORT: port });
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`Port ${port} is in use (EADDRINUSE).`);
  });

  test.each([
    ['providers without credentials', { CLUSTER_WORKERS: '2' }, 'must be 1 while sandboxes run in this process'],
    ['no Redis', { CLUSTER_WORKERS: '2', ...CREDENTIALS }, 'must be 1 without REDIS_URL'],
  ])(
    'given %s, then the gateway refuses to start and reports the reason once',
    { tags: ['long'] },
    async (_, env, why) => {
      const spawned = startCluster(env);
      expect(await spawned.ended).toBe(78);
      expect(spawned.output().split(why)).toHaveLength(2);
    },
  );
});
