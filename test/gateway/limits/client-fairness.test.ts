import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clientOf } from '../../../gateway/cost/client.ts';
import { createCompany } from '../../../sandbox/company.ts';
import { runKeysCommand } from '../../../scripts/keys/keys.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../../subgraphs/kit/identity.ts';
import { readOptions, writeOptions } from '../../../subgraphs/kit/protocol/options.ts';
import { startFederation, startWithTransports } from '../../helpers/federation.ts';
import { startHttpServer } from '../../helpers/http-server.ts';
import { writePlans } from '../../helpers/plans.ts';
import { startStack } from '../../helpers/stack.ts';

/* Clients of a gateway, told apart by API keys. */

const company = createCompany();
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id));

let folder: string;
let closing: (() => Promise<unknown> | unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clients-'));
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  rmSync(folder, { recursive: true });
});

/** Creates the keys of two clients. */
const createClients = async () => {
  const env = { API_KEYS_FILE: join(folder, 'keys.json') };
  const headersOf = async (name: string) => {
    const { key } = await runKeysCommand(['create', '--name', name, '--scopes', 'payments:read'], env);
    return { headers: { authorization: `Bearer ${key}` } };
  };
  return { env, greedy: await headersOf('greedy'), polite: await headersOf('polite') };
};

describe('permits of a provider', () => {
  test('given a client with 80 requests that wait, then another’s goes next', async () => {
    const { env, greedy, polite } = await createClients();
    const stack = await startStack({
      env: { ...env, STRIPE_CONCURRENCY: '1', REQUEST_TIMEOUT_MS: '120000', STRIPE_TIMEOUT_MS: '60000' },
    });
    closing.push(stack.close);
    const gate = Promise.withResolvers<void>();
    stack.stripe.fail({ until: gate.promise, times: 1 });
    const read = (index: number) => `{ payment(id: "${payments[index]}") { id } }`;
    const first = stack.ask(read(0), {}, greedy);
    await expect.poll(() => stack.stripe.calls.length).toBe(1);
    const others = Array.from({ length: 40 }, (_, index) =>
      stack.ask(`{ a: ${read(1 + 2 * index).slice(1, -1)} b: ${read(2 + 2 * index).slice(1, -1)} }`, {}, greedy),
    );
    // An operation that is planned after the others is answered: so they have arrived at the provider, too.
    const nothing = (name: string) =>
      `query ${name}($no: Boolean = false) ${read(1).replace(' {', ' @include(if: $no) {')}`;
    await stack.ask(nothing('AfterOthers'), {}, greedy);
    const last = stack.ask(read(400), {}, polite);
    await stack.ask(nothing('AfterLast'), {}, polite);
    gate.resolve();
    expect((await last).errors).toBeUndefined();
    for (const { errors } of await Promise.all([first, ...others])) expect(errors).toBeUndefined();
    const order = stack.stripe.calls.flatMap(({ keys }) => keys);
    expect(order).toHaveLength(82);
    expect(order.indexOf(payments[400] ?? '')).toBe(1);
  });
});

describe('admission', () => {
  const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };

  /** Starts a gateway whose subgraph holds requests until `open`, and counts them. */
  const start = async (limits: Record<string, string>) => {
    const { env, greedy, polite } = await createClients();
    const federation = await startFederation({ one: SCHEMA }, { ...env, ...limits });
    const gate = Promise.withResolvers<boolean>();
    closing.push(federation.close, () => gate.resolve(false));
    const arrived: string[] = [];
    federation.subgraphs.one.before = (_response, { query }) => {
      arrived.push(/g\d+|p\d+/.exec(query)?.[0] ?? '');
      return gate.promise;
    };
    const ask = (alias: string, as: typeof greedy) => federation.ask(`{ ${alias}: version }`, {}, as);
    return { arrived, open: () => gate.resolve(false), greedy, polite, ask };
  };
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

  test('given one client, then it has all slots', async () => {
    const { arrived, open, greedy, ask } = await start({ MAX_REQUESTS: '8' });
    const requests = numbers(20).map((index) => ask(`g${index}`, greedy));
    await expect.poll(() => arrived).toHaveLength(8);
    open();
    for (const { status } of await Promise.all(requests)) expect(status).toBe(200);
  });

  test('given a client that was active, then another leaves a quarter of the slots', async () => {
    const { arrived, open, greedy, polite, ask } = await start({ MAX_REQUESTS: '8' });
    const requests = [ask('p0', polite)];
    await expect.poll(() => arrived).toEqual(['p0']);
    requests.push(...numbers(20).map((index) => ask(`g${index}`, greedy)));
    await expect.poll(() => arrived.length).toBe(6);
    requests.push(ask('p1', polite), ask('p2', polite));
    await expect.poll(() => arrived.filter((alias) => alias.startsWith('p'))).toHaveLength(3);
    expect(arrived.filter((alias) => alias.startsWith('g'))).toHaveLength(5);
    open();
    for (const { status } of await Promise.all(requests)) expect(status).toBe(200);
  });

  test('given a full queue, then the client with the most waiting is refused', async () => {
    const { arrived, open, greedy, polite, ask } = await start({ MAX_REQUESTS: '1', MAX_WAITING_REQUESTS: '4' });
    const requests = [ask('g0', greedy)];
    await expect.poll(() => arrived).toEqual(['g0']);
    const statuses: number[] = [];
    const waiting = numbers(5).map(async (index) => statuses.push((await ask(`g${1 + index}`, greedy)).status));
    // Four wait, one is refused.
    await expect.poll(() => statuses).toEqual([503]);
    requests.push(ask('p0', polite), ask('p1', polite));
    await expect.poll(() => statuses).toEqual([503, 503, 503]);
    // Two of each wait now.
    expect((await ask('p2', polite)).status).toBe(503);
    open();
    for (const { status } of await Promise.all(requests)) expect(status).toBe(200);
    await Promise.all(waiting);
    expect(arrived[1]).toBe('p0');
    expect(arrived.filter((alias) => alias.startsWith('g'))).toHaveLength(3);
  });
});

describe('a busy event loop', () => {
  /** Starts a gateway, and keeps the event loop that it shares busy in each iteration, until `rest`. */
  const start = async () => {
    const { env, greedy, polite } = await createClients();
    const started: string[] = [];
    const gate = Promise.withResolvers<void>();
    let isHeld = false;
    const one = {
      schema: 'type Query { version(of: String): String }',
      fields: {
        'Query.version': async (_: never, { of }: { of: string }) => {
          started.push(of);
          if (isHeld) await gate.promise;
          return of;
        },
      },
    };
    const gateway = await startWithTransports(
      { one },
      { isLocal: true, env: { ...env, REQUEST_TIMEOUT_MS: '120000' } },
    );
    let isBusy = true;
    const work = () => {
      const end = performance.now() + 3;
      while (performance.now() < end);
      if (isBusy) setImmediate(work);
    };
    const rest = () => {
      isBusy = false;
    };
    closing.push(gateway.close, gate.resolve, rest);
    const ask = (of: string, as: typeof greedy) => gateway.ask(`{ version(of: "${of}") }`, {}, as);
    await ask('first', greedy);
    work();
    const hold = () => {
      isHeld = true;
    };
    return { url: gateway.url, greedy, polite, started, ask, rest, hold, open: gate.resolve };
  };

  test('given 150 requests of a client that arrive together, then another’s does not wait for them', async () => {
    const { url, started, rest, greedy, polite } = await start();
    const sockets = await Promise.all(
      Array.from({ length: 151 }, async () => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1');
        closing.push(() => socket.destroy());
        socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
        // The gateway has accepted the connection.
        await once(socket, 'data');
        return socket;
      }),
    );
    for (const [index, socket] of sockets.entries()) {
      const [name, { headers }] = index < 150 ? [`greedy ${index}`, greedy] : ['polite', polite];
      const body = JSON.stringify({ query: `{ version(of: "${name}") }` });
      const head = [`Authorization: ${headers.authorization}`, 'Content-Type: application/json'].join('\r\n');
      socket.write(
        `POST /graphql HTTP/1.1\r\nHost: localhost\r\n${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    }
    await expect.poll(() => started, { timeout: 60_000 }).toContain('polite');
    rest();
    await expect.poll(() => started.length, { timeout: 60_000 }).toBe(152);
    // Started together, all would run in the order of arrival.
    expect(started.indexOf('polite')).toBeLessThan(50);
  });

  test('given requests that wait for the network, then others start, whatever else is to be done', async () => {
    const { started, ask, hold, open, greedy } = await start();
    hold();
    const requests = Array.from({ length: 40 }, (_, index) => ask(`greedy ${index}`, greedy));
    await expect.poll(() => started.length, { timeout: 60_000 }).toBe(41);
    open();
    for (const { errors } of await Promise.all(requests)) expect(errors).toBeUndefined();
  });
});

describe('the client in requests to subgraphs', () => {
  test('is the gateway’s own with the weight of its plan, whatever the client sends', async () => {
    const { env, greedy, polite } = await createClients();
    const received: IncomingMessage['headers'][] = [];
    const server = await startHttpServer(async (request, response) => {
      received.push(request.headers);
      await text(request);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"payment":{"id":"pi_3x"}}}');
    });
    const { path } = writePlans({ plans: { batch: { weight: 0.2 } }, clients: { 'api-key:greedy': 'batch' } });
    const stack = await startStack({
      env: { ...env, PLANS: path, PAYMENTS_URL: `${server.url}/graphql`, FORWARD_HEADERS: 'x-tributary-client' },
    });
    closing.push(server.close, stack.close);
    const forged = { 'x-tributary-client': 'forged;100' };
    for (const { headers } of [greedy, greedy, polite]) {
      await stack.ask('{ payment(id: "pi_3x") { id } }', {}, { headers: { ...headers, ...forged } });
    }
    const clients = received.map((headers) => String(headers['x-tributary-client']));
    expect(clients.map((client) => client.slice(22))).toEqual([';0.2', ';0.2', ';1']);
    for (const client of clients) expect(client).toMatch(/^[\w-]{22};/);
    expect(clients[1]).toBe(clients[0]);
    expect(clients[2]).not.toBe(clients[0]);
  });

  test('is read with its weight, or not at all', () => {
    const client = { id: 'a-digest_0', weight: 2.5 };
    const options = { noCache: false, report: undefined, reportMaxAge: false, deadlineAt: Number.POSITIVE_INFINITY };
    expect(readOptions(writeOptions({ ...options, client })).client).toEqual(client);
    expect(writeOptions(options)).not.toHaveProperty('x-tributary-client');
    const invalid = [
      '',
      'a',
      'a;',
      ';1',
      'a;0',
      'a;-1',
      'a;1e9',
      'a;101',
      'a;.',
      'a b;1',
      `${'a'.repeat(65)};1`,
      'a;1;2',
      7,
    ];
    for (const header of invalid) expect(readOptions({ 'x-tributary-client': header }).client).toBeUndefined();
  });
});

describe('a client', () => {
  const key = (subject: string, tenant?: string): Identity => ({
    method: 'api-key',
    subject,
    scopes: new Set(),
    claims: {},
    tenant,
  });

  const idOf = (identity: Identity, address: string) => clientOf(identity, address).id;

  test('is the authenticated sender, whatever the address', () => {
    expect(idOf(key('a'), '10.0.0.1')).toBe(idOf(key('a'), '10.0.0.2'));
    const different = [key('a'), key('b'), key('a', 'north'), { ...key('a'), method: 'certificate' as const }];
    expect(new Set(different.map((identity) => idOf(identity, '10.0.0.1'))).size).toBe(4);
    const issuedBy = (iss: string): Identity => ({ ...key('a'), method: 'jwt', claims: { iss } });
    expect(idOf(issuedBy('https://one'), '')).not.toBe(idOf(issuedBy('https://other'), ''));
  });

  test.each([
    ['another IPv4 address', '10.0.0.1', '10.0.0.2', false],
    ['the same address in IPv6 form', '10.0.0.1', '::ffff:10.0.0.1', true],
    ['another address in IPv6 form', '::ffff:10.0.0.2', '::ffff:10.0.0.1', false],
    ['another host of an IPv6 network', '2001:db8:1:2::5', '2001:0db8:0001:0002:ffff:1:2:3', true],
    ['a zone', 'fe80::1%eth0', 'fe80::1', true],
    ['another IPv6 network', '2001:db8:1:2::5', '2001:db8:1:3::5', false],
    ['a short form', '2001:db8::1', '2001:db8:0:0:9::', true],
    ['loopback', '::1', '127.0.0.1', false],
    ['an embedded IPv4 address', '64:ff9b::10.0.0.1', '64:ff9b::1', true],
  ])('without credentials is the address: %s', (_, one, other, isSame) => {
    for (const identity of [ANONYMOUS, UNRESTRICTED]) {
      expect(idOf(identity, one) === idOf(identity, other)).toBe(isSame);
      expect(idOf(identity, one)).toMatch(/^[\w-]{22}$/);
    }
  });
});
