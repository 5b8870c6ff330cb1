import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildSchema } from 'graphql';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { findUnknownArguments } from '../../gateway/audit/arguments.ts';
import { BUNDLED_ARGUMENTS } from '../../gateway/audit/bundled-arguments.ts';
import { verifyAuditLog } from '../../gateway/audit/verify.ts';
import { startGateway } from '../../gateway/start.ts';
import { AUDIT_KEY, auditFile, readRecords, recordsOf } from '../helpers/audit.ts';
import { startFederation } from '../helpers/federation.ts';
import { ROOT, startProcess } from '../helpers/processes.ts';
import { createAsk, environmentOf, type Stack, startStack } from '../helpers/stack.ts';
import { composeSubgraphs } from '../helpers/subgraph-server.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';

/* What is audited, and what happens if it cannot be. */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

/** Starts another gateway, until the test is finished. */
const serve = async (env: Record<string, string>) => {
  const gateway = await stack.startAnother({ AUDIT_KEY, ...env });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await gateway.close();
    isOpen = false;
  };
  onTestFinished(close);
  return { ...gateway, close };
};

const verify = (...files: string[]) => verifyAuditLog(files, { key: AUDIT_KEY });
const healthOf = async (url: string): Promise<unknown> => (await fetch(`${url}/health/ready`)).json();
const codeOf = (errors: readonly { extensions?: Record<string, unknown> }[] | undefined) =>
  errors?.map(({ extensions }) => extensions?.['code']);

const SET_STOCK = `mutation Restock($input: SetStockInput!) { setStock(input: $input) { product { sku } } }`;
const setStock = (quantity: number) => ({ input: { sku: 'OABR-S', quantity } });
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const writesOf = (): string[] =>
  stack.openmage.calls.map(({ operation }) => operation).filter((name) => name.includes('Update'));

describe('a mutation', () => {
  test('is recorded on disk before it is sent, and with its outcome', async () => {
    const file = auditFile();
    const { ask } = await serve({ AUDIT_LOG: file });
    const gate = Promise.withResolvers<void>();
    stack.openmage.fail({ on: 'Update', until: gate.promise });
    const pending = ask(SET_STOCK, setStock(5), {
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    });
    await expect.poll(writesOf).toHaveLength(1);
    const [accepted] = recordsOf(file, 'mutation.accepted');
    expect(accepted).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      event: 'mutation.accepted',
      mutation: expect.stringMatching(/^[0-9a-f-]{36}$/),
      who: { method: 'none', subject: 'anyone' },
      client: '127.0.0.1',
      trace: '0af7651916cd43dd8448eb211c80319c',
      operation: { name: 'Restock', hash: hashOf(SET_STOCK) },
      fields: [{ name: 'setStock', arguments: { 'input.sku': 'OABR-S', 'input.quantity': 5 } }],
      sequence: 3,
      previous: readRecords(file)[1]?.hash,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(recordsOf(file, 'mutation.finished')).toEqual([]);
    gate.resolve();
    expect((await pending).errors).toBeUndefined();
    await expect
      .poll(() => recordsOf(file, 'mutation.finished'))
      .toMatchObject([
        {
          mutation: accepted?.['mutation'],
          outcome: 'succeeded',
          fields: [{ name: 'setStock', outcome: 'succeeded' }],
        },
      ]);
    expect(await verify(file)).toMatchObject({ records: 4, recoveries: 0, unfinishedBytes: 0 });
  });

  test('of which nothing may be executed is a refusal, and no more', async () => {
    const file = auditFile();
    const { ask, close } = await serve({ AUDIT_LOG: file, ...TOKEN_ENV });
    const { errors } = await ask(SET_STOCK, setStock(5), { headers: headersOf({ scopes: ['inventory:read'] }) });
    expect(codeOf(errors)).toEqual(['UNAUTHORIZED_FIELD_OR_TYPE']);
    await close();
    expect(recordsOf(file, 'mutation.accepted')).toEqual([]);
    expect(recordsOf(file, 'request.refused')).toMatchObject([
      { code: 'UNAUTHORIZED_FIELD_OR_TYPE', who: { method: 'jwt', subject: 'somebody' } },
    ]);
  });

  test('of a tenant that does not exist is refused, with the name of its sender', async () => {
    const file = auditFile();
    const { ask, close } = await serve({ AUDIT_LOG: file, TENANT_HEADER: 'x-tenant', ...TOKEN_ENV });
    const headers = { ...headersOf({ scopes: ['inventory:write'] }), 'x-tenant': 'acme' };
    expect((await ask(SET_STOCK, setStock(5), { headers })).status).toBe(403);
    await close();
    expect(recordsOf(file, 'request.refused')).toMatchObject([{ code: 'FORBIDDEN', who: { subject: 'somebody' } }]);
  });

  test('with several fields has the outcome of each', async () => {
    const file = auditFile();
    const { ask } = await serve({ AUDIT_LOG: file });
    await ask(`mutation {
      a: setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } }
      ...More
    }
    fragment More on Mutation {
      b: setStock(input: { sku: "no-such-sku", quantity: 1 }) { product { sku } }
      c: setStock(input: { sku: "OABR-S", quantity: 2 }) @skip(if: true) { product { sku } }
    }`);
    await expect.poll(() => recordsOf(file, 'mutation.finished')).toHaveLength(1);
    expect(recordsOf(file, 'mutation.finished')).toMatchObject([
      {
        outcome: 'failed',
        fields: [
          { name: 'setStock', outcome: 'succeeded' },
          { name: 'setStock', outcome: 'failed', codes: ['UPSTREAM_NOT_FOUND'] },
        ],
      },
    ]);
  });

  test('whose response is unusable has an unknown outcome', async () => {
    const file = auditFile();
    const schema = 'type Query { orders: Int } type Mutation { buy(input: Order!): String } input Order { ids: [ID!] }';
    const { ask, subgraphs, close } = await startFederation(
      { shop: { schema, fields: { 'Mutation.buy': () => 'bought' } } },
      { AUDIT_LOG: file, AUDIT_ARGUMENTS: 'buy.input.ids' },
    );
    subgraphs.shop.before = (response) => {
      response.setHeader('content-type', 'application/json').end('<html>');
      return true;
    };
    await ask('mutation ($ids: [ID!] = ["1"]) { buy(input: { ids: $ids }) }');
    await close();
    expect(recordsOf(file, 'mutation.accepted')).toMatchObject([
      { fields: [{ name: 'buy', arguments: { 'input.ids': ['1'] } }] },
    ]);
    expect(recordsOf(file, 'mutation.finished')).toMatchObject([
      { outcome: 'unknown', fields: [{ name: 'buy', outcome: 'unknown', codes: ['UPSTREAM_OUTCOME_UNKNOWN'] }] },
    ]);
    expect(readRecords(file).at(-1)?.event).toBe('log.closed');
  });

  test.each([
    ['is invalid', 'mutation { nothing }', {}],
    ['has invalid variables', SET_STOCK, { input: { quantity: 'many' } }],
    ['changes nothing', 'mutation { __typename }', {}],
    ['is over a limit', `mutation { ${'a'.repeat(11).replace(/a/g, (_, at) => `a${at}: ${SET}`)} }`, {}],
  ])('that %s is not accepted', async (_, query, variables) => {
    const file = auditFile();
    const { ask, close } = await serve({ AUDIT_LOG: file });
    await ask(query, variables);
    await close();
    expect(recordsOf(file, 'mutation.accepted')).toEqual([]);
    expect(recordsOf(file, 'mutation.finished')).toEqual([]);
  });
});

const SET = 'setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } } ';

test('queries are not recorded', async () => {
  const file = auditFile();
  const { ask, close } = await serve({ AUDIT_LOG: file });
  await ask('{ product(sku: "OABR-S") { sku } }');
  await ask('{ product(sku: "no-such-sku") { nothing } }');
  await close();
  expect(readRecords(file).map(({ event }) => event)).toEqual(['gateway.started', 'supergraph.loaded', 'log.closed']);
});

test('no token, secret, e-mail address or name is recorded, wherever a client puts it', async () => {
  const file = auditFile();
  const { ask, close } = await serve({ AUDIT_LOG: file });
  const headers = {
    authorization: 'Bearer canary-token',
    cookie: 'session=canary-cookie',
    traceparent: 'canary-trace',
  };
  const input = {
    customerEmail: 'canary@customers.example',
    amount: { amount: '12.50', currency: 'EUR' },
    description: 'canary description',
    paymentMethodId: 'canary@customers.example',
    idempotencyKey: 'key-1',
  };
  const create =
    'mutation ($input: CreatePaymentInput!) { createPayment(input: $input) { payment { id } clientSecret } }';
  const { data } = await ask<{ createPayment: { clientSecret: string } | null }>(
    create,
    { input: { ...input, paymentMethodId: undefined } },
    { headers },
  );
  await ask(create, { input, other: 'canary' }, { headers });
  await ask(
    `mutation { canaryAlias: createCustomer(input: { email: "canary@x.example", firstName: "canary", phone: "canary" }) {
      customer { email }
    } }`,
    {},
    { headers },
  );
  await ask('mutation { updateCustomer(input: { id: "canary@x.example", lastName: "canary" }) { customer { id } } }');
  await close();
  const text = readFileSync(file, 'utf8');
  expect(recordsOf(file, 'mutation.accepted')).toHaveLength(4);
  expect(text).toContain('"input.idempotencyKey":"key-1"');
  expect(text).toContain('"input.amount.amount":"12.50"');
  expect(text).not.toContain('canary');
  expect(text).not.toContain(data?.createPayment?.clientSecret);
  expect(text).not.toContain(AUDIT_KEY);
});

describe('a refusal', () => {
  test('is recorded with its code, by whatever part of the gateway', async () => {
    const file = auditFile();
    const { url, ask, close } = await serve({
      AUDIT_LOG: file,
      MAX_ROOT_FIELDS: '1',
      MAX_REQUESTS: '1',
      MAX_WAITING_REQUESTS: '0',
    });
    const limited = 'query Limited { a: product(sku: "1") { sku } b: product(sku: "2") { sku } }';
    await ask(limited);
    await ask(`mutation Limited { a: ${SET} b: ${SET} }`);
    const gate = Promise.withResolvers<void>();
    stack.openmage.fail({ until: gate.promise });
    const first = ask('{ product(sku: "OABR-S") { name } }');
    await expect.poll(() => stack.openmage.calls.length).toBeGreaterThan(0);
    expect((await ask('{ product(sku: "OABR-S") { name } }')).status).toBe(503);
    gate.resolve();
    await first;
    await fetch(`${url}/nowhere`);
    await close();
    expect(recordsOf(file, 'request.refused')).toMatchObject([
      {
        code: 'OPERATION_LIMIT_EXCEEDED',
        who: { method: 'none', subject: 'anyone' },
        client: '127.0.0.1',
        operation: { hash: hashOf(limited) },
      },
      { code: 'OPERATION_LIMIT_EXCEEDED' },
      { code: 'OVERLOADED', client: '127.0.0.1' },
    ]);
  });

  test('over WebSocket is recorded, with its sender', async () => {
    const file = auditFile();
    const { url, close } = await serve({ AUDIT_LOG: file, SAFELIST: 'on', ...TOKEN_ENV });
    const run = async (authorization: string, query: string): Promise<unknown> => {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization },
      });
      const failed = new Promise((resolve) =>
        client.subscribe({ query }, { next: () => {}, error: resolve, complete: () => {} }),
      );
      return failed.finally(() => client.dispose());
    };
    await run('Bearer nonsense', '{ __typename }');
    await run(headersOf({ subject: 'ada', scopes: ['customers:read'] })['authorization'] ?? '', '{ customers { x } }');
    await close();
    expect(recordsOf(file, 'request.refused')).toMatchObject([
      { code: 'UNAUTHENTICATED', client: '127.0.0.1' },
      { code: 'QUERY_NOT_IN_SAFELIST', client: '127.0.0.1', who: { subject: 'ada' } },
    ]);
  });

  test('by the safelist is recorded', async () => {
    const file = auditFile();
    const { ask, close } = await serve({ AUDIT_LOG: file, SAFELIST: 'on' });
    await ask(SET_STOCK, setStock(1), { headers: { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-00` } });
    await close();
    expect(recordsOf(file, 'request.refused')).toMatchObject([
      { code: 'QUERY_NOT_IN_SAFELIST', client: '127.0.0.1', trace: '1'.repeat(32) },
    ]);
  });

  test('of a field is recorded once, with the root fields', async () => {
    const file = auditFile();
    const schema = 'type Query { a: Int b: Int }';
    const { ask, subgraphs, close } = await startFederation({ shop: { schema, fields: {} } }, { AUDIT_LOG: file });
    subgraphs.shop.before = (response) => {
      const error = (name: string) => ({
        message: '',
        path: [name],
        extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' },
      });
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ data: { a: null, b: null }, errors: [error('a'), error('b')] }));
      return true;
    };
    await ask('query Both { a b }');
    await close();
    expect(recordsOf(file, 'request.refused')).toMatchObject([
      { code: 'UNAUTHORIZED_FIELD_OR_TYPE', operation: { name: 'Both' }, fields: ['a', 'b'] },
    ]);
  });

  test('is recorded at most 60 times a minute; the others are counted', async () => {
    const file = auditFile();
    const { ask, close } = await serve({ AUDIT_LOG: file, SAFELIST: 'on' });
    for (let count = 0; count < 75; count += 1) await ask('{ product(sku: "1") { sku } }');
    await close();
    const refusals = recordsOf(file, 'request.refused');
    expect(refusals).toHaveLength(61);
    expect(refusals.at(-1)).toMatchObject({ code: 'QUERY_NOT_IN_SAFELIST', suppressed: 15 });
    expect((await verify(file)).broken).toBeUndefined();
  });
});

describe('configuration', () => {
  test('the start is recorded with a digest that changes with settings, but not with secrets', async () => {
    const file = auditFile();
    const digestOf = async (env: Record<string, string>): Promise<unknown> => {
      await (await serve({ AUDIT_LOG: file, ...env })).close();
      return recordsOf(file, 'gateway.started').at(-1)?.['configuration'];
    };
    const digest = await digestOf({});
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await digestOf({})).toBe(digest);
    expect(await digestOf({ STRIPE_API_KEY: 'sk_test_another' })).toBe(digest);
    expect(await digestOf({ STRIPE_TIMEOUT_MS: '1234' })).not.toBe(digest);
    expect(await digestOf({ MAX_ALIASES: '3' })).not.toBe(digest);
  });

  test('the digest changes with the settings of Redis, also for an external supergraph', async () => {
    const { gateway, close } = await startFederation({ one: { schema: 'type Query { a: Int }' } });
    onTestFinished(close);
    const file = auditFile();
    const digestOf = async (env: Record<string, string>): Promise<unknown> => {
      const external = { SUPERGRAPH: String(gateway.config.supergraphFile), PORT: '0', LOG_LEVEL: 'silent' };
      // Nothing listens there, which a gateway survives.
      const other = await startGateway({ ...external, REDIS_URL: 'redis://127.0.0.1:9', AUDIT_LOG: file, ...env });
      await other.close();
      return recordsOf(file, 'gateway.started').at(-1)?.['configuration'];
    };
    const digest = await digestOf({});
    expect(await digestOf({})).toBe(digest);
    expect(await digestOf({ REDIS_URL: 'redis://127.0.0.1:11' })).toBe(digest);
    expect(await digestOf({ REDIS_TIMEOUT_MS: '123' })).not.toBe(digest);
  });

  test('each supergraph that is served is recorded', async () => {
    const file = auditFile();
    const federation = await startFederation(
      { one: { schema: 'type Query { a: Int }', fields: { 'Query.a': () => 1 } } },
      { AUDIT_LOG: file },
    );
    onTestFinished(federation.close);
    const path = String(federation.gateway.config.supergraphFile);
    await federation.change(readFileSync(path, 'utf8').replace('a: Int', 'a: Int  b: Int'));
    await expect.poll(() => recordsOf(file, 'supergraph.loaded')).toHaveLength(2);
    const digests = recordsOf(file, 'supergraph.loaded').map(({ sha256 }) => sha256);
    expect(new Set(digests).size).toBe(2);
  });

  test('the recorded arguments of the bundled graph exist', () => {
    const schema = buildSchema(readFileSync(join(ROOT, 'gateway/schema.graphql'), 'utf8'));
    expect(findUnknownArguments(schema, BUNDLED_ARGUMENTS)).toEqual([]);
    expect(findUnknownArguments(schema, ['refundPayment.input', 'a.b', 'setStock.input.nothing'])).toHaveLength(3);
  });

  test.each([
    ['a folder that does not exist', { AUDIT_LOG: '/nowhere/audit.jsonl' }, /^AUDIT_LOG: .*ENOENT/],
    ['a file that is none', { AUDIT_LOG: '/dev/null' }, /^AUDIT_LOG: .*is not a regular file/],
    ['another file', { AUDIT_LOG: join(ROOT, 'LICENSE') }, /^AUDIT_LOG: .*does not end with a record/],
    ['a short key', { AUDIT_KEY: 'canary' }, /^AUDIT_KEY: must have at least 32 characters$/],
    ['a malformed argument', { AUDIT_ARGUMENTS: 'refundPayment' }, /^AUDIT_ARGUMENTS: must be arguments/],
  ])('%s prevents the start', async (_, env, message) => {
    await expect(startGateway({ PORT: '0', AUDIT_LOG: auditFile(), ...env })).rejects.toThrow(message);
  });
});

describe('a start that fails', () => {
  const supergraph = (): Record<string, string> => {
    const file = auditFile('supergraph.graphql');
    const sdl = composeSubgraphs({ one: { schema: 'type Query { a: Int }', url: 'http://127.0.0.1:9' } });
    writeFileSync(file, sdl.replace('a: Int', 'a: Unknown'));
    return { SUPERGRAPH: file };
  };
  test.each<[string, () => Record<string, string>, RegExp]>([
    ['supergraph', supergraph, /^SUPERGRAPH: .* cannot be used: /],
    ['certificate', () => ({ TLS_CERT: join(ROOT, 'LICENSE'), TLS_KEY: join(ROOT, 'LICENSE') }), /^TLS_CERT: /],
    ['address', () => ({ HOST: '192.0.2.1' }), /EADDRNOTAVAIL/],
  ])('because of its %s closes the log', async (_, envOf, message) => {
    const file = auditFile();
    // A server without requests does not wait for load balancers.
    const env = { PORT: '0', LOG_LEVEL: 'silent', SHUTDOWN_DELAY_MS: '600000', AUDIT_LOG: file, ...envOf() };
    await expect(startGateway(env)).rejects.toThrow(message);
    expect(readRecords(file).at(-1)?.event).toBe('log.closed');
  });
});

describe('a log that cannot be written', () => {
  test('refuses mutations before anything is sent, until it can be written again', async () => {
    const file = auditFile();
    const { url, ask } = await serve({ AUDIT_LOG: file });
    expect(await healthOf(url)).toMatchObject({ status: 'ok', audit: 'ok' });
    await expect.poll(() => readRecords(file)).toHaveLength(2);
    rmSync(dirname(file), { recursive: true });
    const refused = await ask(SET_STOCK, setStock(1));
    expect([refused.status, codeOf(refused.errors)]).toEqual([503, ['AUDIT_UNAVAILABLE']]);
    expect(codeOf((await ask(SET_STOCK, setStock(1))).errors)).toEqual(['AUDIT_UNAVAILABLE']);
    expect(writesOf()).toEqual([]);
    expect((await ask('{ product(sku: "OABR-S") { sku } }')).errors).toBeUndefined();
    expect(await healthOf(url)).toMatchObject({
      status: 'ok',
      audit: 'unavailable',
      auditFailures: expect.any(String),
    });
    mkdirSync(dirname(file));
    expect((await ask(SET_STOCK, setStock(1))).errors).toBeUndefined();
    expect(await healthOf(url)).toMatchObject({ audit: 'ok' });
    await expect.poll(() => recordsOf(file, 'mutation.finished')).toHaveLength(1);
    const events = readRecords(file).map(({ event, code }) => code ?? event);
    expect(events.filter((event) => event === 'AUDIT_UNAVAILABLE')).toHaveLength(2);
    // The records that were removed with the folder are missing.
    const { first, broken } = await verify(file);
    expect([first?.sequence, broken]).toEqual([3, undefined]);
  });

  test('with AUDIT_FAILURE=allow: mutations go on and are recorded later', async () => {
    const file = auditFile();
    const { url, ask } = await serve({ AUDIT_LOG: file, AUDIT_FAILURE: 'allow' });
    rmSync(dirname(file), { recursive: true });
    for (const quantity of [1, 2]) expect((await ask(SET_STOCK, setStock(quantity))).errors).toBeUndefined();
    expect(writesOf()).toHaveLength(2);
    expect(await healthOf(url)).toMatchObject({ audit: 'unavailable' });
    mkdirSync(dirname(file));
    await ask(SET_STOCK, setStock(3));
    const quantities = recordsOf(file, 'mutation.accepted').map(({ fields }) => JSON.stringify(fields));
    expect(quantities).toMatchObject([1, 2, 3].map((one) => expect.stringContaining(`"input.quantity":${one}`)));
    expect((await verify(file)).broken).toBeUndefined();
  });

  test('because another process writes to it: mutations are refused, and the chain stays intact', async () => {
    const file = auditFile();
    const one = await serve({ AUDIT_LOG: file });
    await expect.poll(() => readRecords(file)).toHaveLength(2);
    const other = await serve({ AUDIT_LOG: file });
    await expect.poll(() => readRecords(file)).toHaveLength(4);
    expect(codeOf((await one.ask(SET_STOCK, setStock(1))).errors)).toEqual(['AUDIT_UNAVAILABLE']);
    await other.close();
    await one.close();
    expect((await verify(file)).broken).toBeUndefined();
  });

  test('because the disk does not answer: mutations are refused after a while', async () => {
    const file = auditFile();
    const { ask } = await serve({ AUDIT_LOG: file });
    // Opening a pipe for reading occupies one of the four threads for file operations until it is opened for writing.
    const pipes = [1, 2, 3, 4].map((number) => join(dirname(file), `pipe-${number}`));
    expect(spawnSync('mkfifo', pipes).status).toBe(0);
    const opening = pipes.map((pipe) => open(pipe, 'r'));
    const { errors } = await ask(SET_STOCK, setStock(1));
    for (const pipe of pipes) openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    await Promise.all(opening.map(async (one) => (await one).close()));
    expect(codeOf(errors)).toEqual(['AUDIT_UNAVAILABLE']);
    expect(writesOf()).toEqual([]);
  });

  // A limit on the size of files fails as a full disk does: part of a write succeeds, and the rest does not.
  const startLimited = async (env: Record<string, string>) => {
    const gateway = startProcess(['bash', '-c', 'ulimit -f 8; exec "$0" gateway/main.ts', process.execPath], {
      PORT: '0',
      LOG_LEVEL: 'warn',
      AUDIT_KEY,
      ...environmentOf(stack),
      ...env,
    });
    onTestFinished(gateway.stop);
    await expect.poll(() => gateway.output()).toMatch(/A first query|cannot start/);
    return { gateway, ask: createAsk(/http:\S+\/graphql/.exec(gateway.output())?.[0] ?? '') };
  };

  test.each(['refuse', 'allow'])(
    'because the disk is full, with AUDIT_FAILURE=%s',
    { tags: ['long'] },
    async (failure) => {
      const file = auditFile();
      const { gateway, ask } = await startLimited({
        AUDIT_LOG: file,
        AUDIT_FAILURE: failure,
        AUDIT_ARGUMENTS: 'setStock.input.quantity,setStock.input.misspelled',
      });
      await expect.poll(() => gateway.output()).toContain('"names":["setStock.input.misspelled"]');
      let sent = 0;
      const limit = 40;
      for (; sent < limit; sent += 1) {
        const { errors } = await ask(SET_STOCK, setStock(sent));
        if (errors) break;
      }
      await gateway.stop();
      expect(gateway.output().split('The audit log cannot be written.')).toHaveLength(2);
      expect(gateway.output()).toContain('"why":"EFBIG"');
      if (failure === 'allow') expect(sent).toBe(limit);
      else expect(sent).toBeLessThan(limit);
      expect(writesOf()).toHaveLength(sent);
      // The line that did not fit is accounted for by the next start.
      const { close } = await serve({ AUDIT_LOG: file });
      await close();
      expect(await verify(file)).toMatchObject({ recoveries: 1, unfinishedBytes: 0 });
      if (failure === 'refuse') {
        expect(recordsOf(file, 'mutation.accepted').length).toBeGreaterThanOrEqual(sent);
      }
    },
  );
});

test('without AUDIT_LOG nothing is audited', async () => {
  const { url, ask } = await serve({});
  await ask(SET_STOCK, setStock(1));
  expect(await healthOf(url)).toEqual({ status: 'ok' });
});
