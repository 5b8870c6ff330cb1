import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { claimsFor, sign } from '../helpers/signed-request.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* Subgraphs in processes of their own take signed requests only. */

const OLD = 'the-old-secret-of-more-than-32-characters';
const SECRET = 'the-new-secret-of-more-than-32-characters';
const PAYMENT = '{ payment(id: "pi_3unknown") { id } }';
const BODY = JSON.stringify({ query: PAYMENT });

let stack: Stack;
let subgraphs: Spawned;
let recorder: Awaited<ReturnType<typeof startHttpServer>>;
let recorded: { token: string; body: string } | undefined;

const urlOf = (name: string) => new RegExp(`${name} answers at (\\S+)`).exec(subgraphs.output())?.[1] ?? '';

beforeAll(async () => {
  stack = await startStack();
  subgraphs = startProcess(['node', 'subgraphs/main.ts'], {
    SUBGRAPHS: 'payments,crm',
    PORT: '0',
    SUBGRAPH_SECRET: `${OLD}, ${SECRET}`,
    ...sandboxEnvironment('stripe', stack.stripe),
    ...sandboxEnvironment('hubspot', stack.hubspot),
  });
  await vi.waitFor(() => expect([urlOf('payments'), urlOf('crm')]).not.toContain(''), 120_000);
  recorder = await startHttpServer(async (request, response) => {
    recorded = { token: String(request.headers['x-tributary-identity']), body: await text(request) };
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"payment":null}}');
  });
});
afterAll(async () => {
  await recorder.close();
  await subgraphs.stop();
  await stack.close();
});

const post = async (url: string, body: string, token?: string) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== undefined && { 'x-tributary-identity': token }) },
    body,
  });
  return { status: response.status, text: await response.text() };
};

test('given the same secret, then the gateway is answered', async () => {
  const gateway = await stack.startAnother({ PAYMENTS_URL: urlOf('payments'), SUBGRAPH_SECRET: SECRET });
  expect(await gateway.ask(PAYMENT)).toMatchObject({ data: { payment: null } });
  expect((await gateway.ask(PAYMENT)).errors).toBeUndefined();
  await gateway.close();
});

test('given a secret that is being replaced, then a gateway with the old one is answered', async () => {
  const gateway = await stack.startAnother({ PAYMENTS_URL: urlOf('payments'), SUBGRAPH_SECRET: OLD });
  expect((await gateway.ask(PAYMENT)).errors).toBeUndefined();
  await gateway.close();
});

test.each([
  ['no secret', {}],
  ['another secret', { SUBGRAPH_SECRET: 'some-other-secret-of-32-characters' }],
  [
    'another secret, and forwarded credentials',
    { SUBGRAPH_SECRET: 'some-other-secret-of-32-characters', FORWARD_HEADERS: 'authorization' },
  ],
])('given a gateway with %s, then the fields fail, and the client is not blamed', async (_, env) => {
  const gateway = await stack.startAnother({ PAYMENTS_URL: urlOf('payments'), ...env });
  const { data, errors } = await gateway.ask(PAYMENT);
  expect(data).toEqual({ payment: null });
  expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['UPSTREAM_UNAUTHORIZED']);
  await gateway.close();
});

test('a token by the specification is accepted', async () => {
  expect(await post(urlOf('payments'), BODY, sign(claimsFor(BODY), SECRET))).toMatchObject({ status: 200 });
});

const ENTITIES = JSON.stringify({
  query: '{ _entities(representations: [{ __typename: "Customer", id: "101" }]) { ... on Customer { email } } }',
});

test.each([
  ['without a token', () => undefined],
  ['with an empty token', () => ''],
  ['with a token that is none', () => 'a.b.c'],
  ['signed with another secret', () => sign(claimsFor(ENTITIES, { aud: 'crm' }), `${SECRET}!`)],
  ['for another subgraph', () => sign(claimsFor(ENTITIES), SECRET)],
  ['for another body', () => sign(claimsFor(BODY, { aud: 'crm' }), SECRET)],
  ['that has expired', () => sign(claimsFor(ENTITIES, { aud: 'crm', iat: -90, exp: -60 }), SECRET)],
  ['without an expiry', () => sign(claimsFor(ENTITIES, { aud: 'crm', exp: null }), SECRET)],
  ['that is valid for long', () => sign(claimsFor(ENTITIES, { aud: 'crm', iat: -60, exp: 900 }), SECRET)],
  ['from the future', () => sign(claimsFor(ENTITIES, { aud: 'crm', iat: 600, exp: 630 }), SECRET)],
  ['of another type', () => sign(claimsFor(ENTITIES, { aud: 'crm' }), SECRET, { typ: 'JWT' })],
  [
    'without a signature',
    () => sign(claimsFor(ENTITIES, { aud: 'crm' }), SECRET, { alg: 'none' }).replace(/[^.]*$/, ''),
  ],
  ['with scopes that are none', () => sign(claimsFor(ENTITIES, { aud: 'crm', scopes: 'all' }), SECRET)],
])('a direct request for entities %s is refused, and no provider is called', async (_, token) => {
  stack.hubspot.reset();
  const { status, text } = await post(urlOf('crm'), ENTITIES, token());
  expect(status).toBe(401);
  expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  expect(stack.hubspot.calls).toEqual([]);
});

test('given the body of a GET, then it is refused, and the process lives', async () => {
  const { port, pathname } = new URL(urlOf('crm'));
  const token = sign(claimsFor(ENTITIES, { aud: 'crm' }), SECRET);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(
    `GET ${pathname} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nx-tributary-identity: ${token}\r\ncontent-length: 1\r\n\r\nx`,
  );
  const [response] = await once(socket, 'data');
  socket.destroy();
  expect(String(response)).toMatch(/^HTTP\/1\.1 401 /);
  expect(await post(urlOf('crm'), ENTITIES, sign(claimsFor(ENTITIES, { aud: 'crm' }), SECRET))).toMatchObject({
    status: 200,
  });
});

test('a GET is refused', async () => {
  const response = await fetch(`${urlOf('crm')}?query={__typename}`, { headers: { accept: 'application/json' } });
  expect(response.status).toBe(401);
});

test('a token of the gateway is for its own body and subgraph', async () => {
  const gateway = await stack.startAnother({ PAYMENTS_URL: `${recorder.url}/payments`, SUBGRAPH_SECRET: SECRET });
  await gateway.ask(PAYMENT);
  await gateway.close();
  const { token = '', body = '' } = recorded ?? {};
  expect(await post(urlOf('payments'), body, token)).toMatchObject({ status: 200 });
  expect(await post(urlOf('payments'), `${body} `, token)).toMatchObject({ status: 401 });
  expect(await post(urlOf('crm'), body, token)).toMatchObject({ status: 401 });
});

test('equal requests of two identities at once are two requests', async () => {
  const arrived: string[] = [];
  const both = Promise.withResolvers<void>();
  const subgraph = await startHttpServer(async (request, response) => {
    request.resume();
    arrived.push(String(request.headers['x-tributary-identity']));
    if (arrived.length === 2) both.resolve();
    await both.promise;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"payment":null}}');
  });
  const gateway = await stack.startAnother({
    PAYMENTS_URL: `${subgraph.url}/payments`,
    SUBGRAPH_SECRET: SECRET,
    TENANT_HEADER: 'x-tenant',
  });
  const asTenant = (tenant: string) => gateway.ask(PAYMENT, {}, { headers: { 'x-tenant': tenant } });
  await Promise.all([asTenant('acme'), asTenant('globex')]);
  const tenantOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).tenant;
  expect(arrived.map(tenantOf).sort()).toEqual(['acme', 'globex']);
  await gateway.close();
  await subgraph.close();
});

test('given no secret, then a tenant’s request is not sent', async () => {
  recorded = undefined;
  const gateway = await stack.startAnother({ PAYMENTS_URL: `${recorder.url}/payments`, TENANT_HEADER: 'x-tenant' });
  const { errors } = await gateway.ask(PAYMENT, {}, { headers: { 'x-tenant': 'acme' } });
  expect(errors).toMatchObject([
    {
      message: 'There are no credentials for the payments service.',
      extensions: { code: 'UPSTREAM_UNAUTHORIZED' },
    },
  ]);
  expect(recorded).toBeUndefined();
  await gateway.close();
});

const problemOf = (env: Record<string, string>) =>
  startGateway({ PORT: '0', LOG_LEVEL: 'silent', ...env }).then(
    (gateway) => gateway.close(),
    (error: Error) => error.message,
  );

test('a gateway in production needs the secret if subgraphs have URLs', async () => {
  const env = { NODE_ENV: 'production', SANDBOX: 'on', AUTH: 'none', PAYMENTS_URL: urlOf('payments') };
  expect(await problemOf(env)).toContain('SUBGRAPH_SECRET: is required in production');
  expect(await problemOf({ ...env, SUBGRAPH_SECRET: 'short' })).toMatch(/^SUBGRAPH_SECRET: must have at least 32/m);
  expect(await problemOf({ ...env, SUBGRAPH_SECRET: 'none' })).toBeUndefined();
});

test('a subgraph in production needs the secret', async () => {
  const process = startProcess(['node', 'subgraphs/main.ts'], {
    NODE_ENV: 'production',
    SUBGRAPHS: 'payments',
    PORT: '0',
    ...sandboxEnvironment('stripe', stack.stripe),
  });
  expect(await process.ended).toBe(78);
  expect(process.output()).toContain('SUBGRAPH_SECRET: is required in production');
});
