import { cpSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../../gateway/config.ts';
import {
  type Authority,
  type CertificateFiles,
  type CertificateFolder,
  createCertificateFolder,
  readCertificate,
} from '../../helpers/certificates.ts';
import { advanceClock, resetClock } from '../../helpers/clock.ts';
import { services } from '../../helpers/compose.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { AUDIENCE, startIssuer } from '../../helpers/issuer.ts';
import { freePort, startProcess } from '../../helpers/processes.ts';
import { isEstablished, postText } from '../../helpers/raw-socket.ts';
import { hasTool } from '../../helpers/tools.ts';

/* HTTPS and client certificates. */

const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };
const BODY = JSON.stringify({ query: '{ version }' });

type Gateway = Federation<'one'>;

describe.skipIf(!hasTool('openssl'))('given an authority of client certificates', () => {
  let folder: CertificateFolder;
  let authority: Authority;
  let other: Authority;
  let server: CertificateFiles;
  let billing: CertificateFiles;
  beforeAll(() => {
    folder = createCertificateFolder();
    authority = folder.createAuthority();
    other = folder.createAuthority();
    server = authority.issue('/CN=graph.example');
    billing = authority.issue('/O=Example, Inc./CN=Björn');
  });
  afterAll(() => folder.remove());

  let gateway: Gateway;
  let files: CertificateFiles & { readonly clientCa: string };
  const replace = (path: string, by: string): void => {
    cpSync(by, `${path}.next`);
    renameSync(`${path}.next`, path);
  };
  const start = async (env: Record<string, string> = {}): Promise<Gateway> => {
    const AUTH_CONFIG = join(folder.path, 'auth.yaml');
    writeFileSync(
      AUTH_CONFIG,
      `certificates:
  - { subject: 'CN=Björn,O=Example\\, Inc.', scopes: [payments:read] }
  - { subject: CN=expired, scopes: [payments:read] }
`,
    );
    const tls = { TLS_CERT: files.cert, TLS_KEY: files.key, TLS_CLIENT_CA: files.clientCa };
    return startFederation({ one: SCHEMA }, { ...tls, AUTH_CONFIG, ...env });
  };
  beforeEach(async () => {
    files = {
      cert: join(folder.path, 'tls.pem'),
      key: join(folder.path, 'tls.key'),
      clientCa: join(folder.path, 'clients.pem'),
    };
    cpSync(server.cert, files.cert);
    cpSync(server.key, files.key);
    cpSync(authority.cert, files.clientCa);
    gateway = await start();
  });
  afterEach(async () => {
    resetClock();
    await gateway.close();
  });

  /** Creates a client that keeps one connection. */
  const createClient = async (certificate?: CertificateFiles) => {
    const identity = certificate && readCertificate(certificate);
    const agent = new Agent({ connections: 1, connect: { ca: await readFile(authority.cert), ...identity } });
    return {
      ask: async (headers: Record<string, string> = {}) => {
        const {
          statusCode,
          headers: answered,
          body,
        } = await request(`${gateway.url}/graphql`, {
          dispatcher: agent,
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: BODY,
        });
        return { status: statusCode, connection: answered['connection'], body: await body.json() };
      },
      close: () => agent.close(),
    };
  };

  const statusOf = async (certificate?: CertificateFiles, headers?: Record<string, string>): Promise<number> => {
    const client = await createClient(certificate);
    const { status } = await client.ask(headers);
    await client.close();
    return status;
  };

  test('the health check of containers succeeds without one, and fails where nothing answers', async () => {
    const [, ...command] = services['gateway']?.healthcheck.test ?? ['CMD'];
    const check = (host: string) =>
      startProcess(
        command.map((word) => word.replace('127.0.0.1:4000', host)),
        {},
      ).ended;
    expect(await check(new URL(gateway.url).host)).toBe(0);
    expect(await check(`127.0.0.1:${await freePort()}`)).toBe(1);
  });

  test('a certificate with a known subject is an identity, and its requests are served', async () => {
    expect(gateway.url).toMatch(/^https:/);
    const client = await createClient(billing);
    expect(await client.ask()).toMatchObject({ status: 200, body: { data: { version: 'first' } } });
    expect(await client.ask()).toMatchObject({ status: 200 });
    await client.close();
  });

  test('without a certificate, or with another, the request is refused', async () => {
    const refused = await createClient();
    expect(await refused.ask()).toMatchObject({
      status: 401,
      body: { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
    });
    await refused.close();
    for (const certificate of [
      authority.issue('/CN=unknown'),
      authority.issue('/O=Example/CN=Björn'),
      authority.issue('/O=Example, Inc.,CN=Björn'),
      authority.issue('/CN=Björn/O=Example, Inc.'),
      other.issue('/O=Example, Inc./CN=Björn'),
      authority.issue('/CN=expired', -1),
    ]) {
      expect(await statusOf(certificate)).toBe(401);
    }
    expect(gateway.subgraphs.one.requests).toEqual([]);
  });

  test('a certificate that expires while its connection is open is not accepted any more', async () => {
    const client = await createClient(billing);
    expect(await client.ask()).toMatchObject({ status: 200 });
    advanceClock(3 * 86_400_000);
    expect(await client.ask()).toMatchObject({ status: 401 });
    await client.close();
  });

  test('credentials in the header take precedence', async () => {
    const issuer = await startIssuer();
    await gateway.close();
    gateway = await start({ JWT_ISSUER: issuer.url, JWT_AUDIENCE: AUDIENCE });
    const authorization = `Bearer ${await issuer.sign()}`;
    expect(await statusOf(undefined, { authorization })).toBe(200);
    expect(await statusOf(other.issue('/CN=unknown'), { authorization })).toBe(200);
    expect(await statusOf(billing, { authorization: 'Bearer none' })).toBe(401);
    await issuer.close();
  });

  test('a new certificate of the server is served without a restart', async () => {
    const serverName = () =>
      new Promise<string>((resolve, reject) => {
        const socket: TLSSocket = connect(
          { port: Number(new URL(gateway.url).port), rejectUnauthorized: false },
          () => {
            resolve(String(socket.getPeerCertificate().subject.CN));
            socket.destroy();
          },
        );
        socket.once('error', reject);
      });
    expect(await serverName()).toBe('graph.example');
    const renewed = authority.issue('/CN=renewed.example');
    // In between, certificate and key do not fit together.
    replace(files.cert, renewed.cert);
    expect(await statusOf(billing)).toBe(200);
    replace(files.key, renewed.key);
    await expect.poll(serverName).toBe('renewed.example');
    expect(await statusOf(billing)).toBe(200);
  });

  test('after a change of the authority, the old certificates are refused, and open connections are closed', async () => {
    const client = await createClient(billing);
    expect(await client.ask()).toMatchObject({ status: 200, connection: 'keep-alive' });
    const renewed = other.issue('/O=Example, Inc./CN=Björn');
    replace(files.clientCa, other.cert);
    await expect.poll(() => statusOf(renewed)).toBe(200);
    expect(await statusOf(billing)).toBe(401);
    expect(await client.ask()).toMatchObject({ status: 200, connection: 'close' });
    expect(await client.ask()).toMatchObject({ status: 401 });
    await client.close();
  });

  test('a session is not resumed', async () => {
    const { port } = new URL(gateway.url);
    const options = {
      host: '127.0.0.1',
      port: Number(port),
      ca: await readFile(authority.cert),
      ...readCertificate(billing),
    };
    const exchange = (session?: Buffer) =>
      new Promise<{ session: Buffer | undefined; isResumed: boolean; text: string }>((resolve, reject) => {
        let ticket = session;
        let text = '';
        let isResumed = false;
        const socket: TLSSocket = connect({ ...options, ...(session && { session }) }, () => {
          isResumed = socket.isSessionReused();
          socket.write('GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n');
        });
        socket.on('session', (next) => {
          ticket = next;
        });
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.once('error', reject);
        socket.once('close', () => resolve({ session: ticket, isResumed, text }));
      });
    const first = await exchange();
    expect(first.text).toContain('HTTP/1.1 200');
    expect((await exchange(first.session)).isResumed).toBe(false);
  });

  describe('connections are limited as without TLS', () => {
    const LIMITS = {
      HEADER_TIMEOUT_MS: '300',
      BODY_TIMEOUT_MS: '300',
      WRITE_TIMEOUT_MS: '300',
      IDLE_TIMEOUT_MS: '300',
    };
    beforeEach(async () => {
      await gateway.close();
      gateway = await start({ ...LIMITS, MAX_CONNECTIONS: '2' });
    });

    const open = () => {
      let text = '';
      const socket = connect({ port: Number(new URL(gateway.url).port), rejectUnauthorized: false });
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('error', () => {});
      const closed = new Promise<string>((resolve) => {
        socket.once('close', () => resolve(text));
      });
      return { socket, closed, secured: new Promise((resolve) => socket.once('secureConnect', resolve)) };
    };

    test('a handshake that does not end, a header and a body are bounded in time', async () => {
      const silent = connectTcp({ port: Number(new URL(gateway.url).port) });
      await new Promise((resolve) => silent.once('close', resolve));
      const slowHeader = open();
      slowHeader.socket.write('POST /graphql HTTP/1.1\r\n');
      expect(await slowHeader.closed).toContain('HTTP/1.1 408');
      const slowBody = open();
      slowBody.socket.write('POST /nothing HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n1');
      await slowBody.closed;
    });

    test('a response that is not read is bounded in time', async () => {
      const version = 'x'.repeat(8_000_000);
      gateway.subgraphs.one.before = (response) => {
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ data: { version } }));
        return true;
      };
      const port = Number(new URL(gateway.url).port);
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...readCertificate(billing) });
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      socket.on('error', () => {});
      socket.pause();
      socket.write(postText(BODY));
      await expect.poll(() => gateway.subgraphs.one.requests.length).toBe(1);
      await expect.poll(() => isEstablished(socket.localPort ?? 0)).toBe(false);
      socket.destroy();
    });

    test('the longest idle connection is closed for a new one', async () => {
      const [first, second] = [open(), open()];
      await Promise.all([first.secured, second.secured]);
      const third = open();
      await third.secured;
      await first.closed;
      for (const { socket } of [second, third]) socket.destroy();
    });

    test('open connections end when the gateway is closed', async () => {
      const idle = open();
      await idle.secured;
      await gateway.close();
      await idle.closed;
      gateway = await start();
    });
  });

  test('the addresses in responses are of HTTPS', async () => {
    const agent = new Agent({ connect: { ca: await readFile(authority.cert) } });
    const { body } = await request(`${gateway.url}/codegen.mjs`, { dispatcher: agent });
    expect(await body.text()).toContain(`const GRAPHQL_URL = "${gateway.url}/graphql"`);
    await agent.close();
  });

  test.each<[string, () => Record<string, string>, string]>([
    ['a key without a certificate', () => ({ TLS_KEY: server.key }), 'TLS_CERT: is required'],
    ['a certificate without a key', () => ({ TLS_CERT: server.cert }), 'TLS_KEY: is required with TLS_CERT'],
    [
      'an authority without subjects',
      () => ({ TLS_CERT: server.cert, TLS_KEY: server.key, TLS_CLIENT_CA: authority.cert }),
      'TLS_CLIENT_CA: must be set if AUTH_CONFIG has certificates, and only then',
    ],
  ])('%s is refused', (_, env, expected) => {
    expect(() => readConfig(env(), [])).toThrow(expected);
  });

  test.each<[string, () => Record<string, string>, string]>([
    ['a file that is not there', () => ({ TLS_CERT: '/nowhere' }), 'TLS_CERT: the file cannot be read'],
    ['a key of another certificate', () => ({ TLS_KEY: billing.key }), 'TLS_CERT: must be a certificate, and TLS_KEY'],
    ['an authority that is a key', () => ({ TLS_CLIENT_CA: server.key }), 'TLS_CLIENT_CA: must be certificates'],
  ])('%s stops the start', async (_, env, expected) => {
    await expect(start(env())).rejects.toThrow(expected);
  });
});
