import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from 'graphql-ws';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { parse } from 'yaml';
import { z } from 'zod';
import { secretsOf, variablesOf } from '../../connectors/settings.ts';
import { AUTH_SECRETS } from '../../gateway/auth/auth-config.ts';
import { createSubgraphUrlsEnv, GatewayEnv } from '../../gateway/config.ts';
import { SubgraphProcessEnv } from '../../subgraphs/config.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { INFRASTRUCTURE_SECRETS, InfrastructureEnv } from '../../subgraphs/kit/infrastructure.ts';
import { LAST_EXPORT_MS } from '../../telemetry/last-export.ts';
import { environmentOf, services } from '../helpers/compose.ts';
import { freePort, ROOT, type Spawned, startProcess } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { postHubSpot, WEBHOOKS } from '../helpers/webhooks.ts';

/* The files and commands in docs/production.md and docs/troubleshooting.md. */

const guide = readFileSync(join(ROOT, 'docs/production.md'), 'utf8');
const troubleshooting = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');

const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block = '']) => block);

/** Returns the first block that contains these words. */
const blockWith = (words: string, language: string, text = guide): string => {
  const found = blocksOf(text, language).find((block) => block.includes(words));
  if (!found) throw new Error(`No block contains ${words}.`);
  return found;
};

const run = promisify(execFile);
const shell = async (command: string): Promise<string> => (await run('sh', ['-c', command])).stdout;

const site = blockWith('proxy_pass', 'nginx');
const clientCertificates = blockWith('ssl_verify_client', 'nginx');

test('the proxy’s limits match the gateway’s defaults', () => {
  const { REQUEST_TIMEOUT_MS, IDLE_TIMEOUT_MS, MAX_HEADER_KIB } = GatewayEnv.parse({});
  const secondsOf = (directive: string) => Number(new RegExp(`\\s${directive} (\\d+)s;`).exec(site)?.[1]) * 1000;
  expect(secondsOf('proxy_read_timeout')).toBeGreaterThan(REQUEST_TIMEOUT_MS);
  expect(secondsOf('keepalive_timeout')).toBeLessThan(IDLE_TIMEOUT_MS);
  expect(site).toContain(`large_client_header_buffers 4 ${MAX_HEADER_KIB}k;`);
});

test('containers have the time to stop that the guide recommends, and more', () => {
  const recommended = Number(/SHUTDOWN_DELAY_MS=(\d+)/.exec(guide)?.[1]);
  const { services } = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true });
  for (const name of ['gateway', ...subgraphs.map((subgraph) => subgraph.name)]) {
    const graceMs = Number.parseInt(services[name].stop_grace_period, 10) * 1000;
    expect(graceMs).toBeGreaterThan(GatewayEnv.parse({}).SHUTDOWN_GRACE_MS + recommended + LAST_EXPORT_MS);
  }
});

describe.skipIf(!hasTool('nginx and openssl'))('behind the guide’s proxy', () => {
  let folder: string;
  let stack: Stack;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    // nginx's workers run as another user.
    chmodSync(folder, 0o755);
    stack = await startStack({
      env: { ...WEBHOOKS, NODE_ENV: 'production', AUTH: 'none', ALLOWED_HOSTS: 'graph.example' },
    });
    makeCertificate('graph.example');
    makeCertificate('client');
  });
  afterAll(async () => {
    await stack.close();
    rmSync(folder, { recursive: true });
  });

  const makeCertificate = (name: string): void => {
    const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.pem`)];
    const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...names], { stdio: 'ignore' });
  };
  const read = (file: string) => readFileSync(join(folder, file));

  /** Starts nginx with the guide's file; only addresses and paths are replaced. */
  const startProxy = async (text: string): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> => {
    const port = await freePort();
    const { host } = new URL(stack.url);
    const local = text
      .replaceAll(/10\.0\.0\.\d+:4000/g, host)
      .replace('listen 443 ', `listen 127.0.0.1:${port} `)
      .replace('/etc/nginx/tls/clients-ca.pem', join(folder, 'client.pem'))
      .replaceAll('/etc/nginx/tls', folder);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    for (const name of temporary) mkdirSync(join(folder, name), { recursive: true });
    const paths = temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n');
    const file = join(folder, `nginx-${port}.conf`);
    writeFileSync(
      file,
      `pid ${join(folder, `${port}.pid`)};\nevents {}\nhttp {\naccess_log off;\n${paths}\n${local}\n}\n`,
    );
    const nginx = startProcess(['nginx', '-e', 'stderr', '-g', 'daemon off;', '-c', file], {});
    let hasEnded = false;
    void nginx.ended.then(() => {
      hasEnded = true;
    });
    const answers = () =>
      send(port, '/').then(
        () => true,
        () => hasEnded,
      );
    await expect.poll(answers).toBe(true);
    if (hasEnded) throw new Error(nginx.output());
    return { port, stop: nginx.stop };
  };

  type Sent = { readonly host?: string; readonly body?: string; readonly certificate?: 'client' };

  const send = async (port: number, path: string, { host = 'graph.example', body, certificate }: Sent = {}) => {
    const identity = certificate && { cert: read(`${certificate}.pem`), key: read(`${certificate}.key`) };
    // undici would check the certificate against the `Host` header.
    const checkServerIdentity = () => undefined;
    const dispatcher = new Agent({
      connect: { ca: read('graph.example.pem'), servername: 'graph.example', checkServerIdentity, ...identity },
    });
    try {
      const answer = await request(`https://127.0.0.1:${port}${path}`, {
        dispatcher,
        headers: {
          host,
          accept: 'application/graphql-response+json',
          'accept-encoding': 'gzip',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { method: 'POST', body }),
      });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      return { status: answer.statusCode, headers: answer.headers, bytes };
    } finally {
      await dispatcher.close();
    }
  };

  const body = JSON.stringify({ query: '{ customers(first: 50) { edges { node { email company { name } } } } }' });

  test('only the graph is served, compressed, and only at its host name', async () => {
    const { port, stop } = await startProxy(site);
    const { status, headers } = await send(port, '/graphql', { body });
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('application/graphql-response+json');
    expect(headers['content-encoding']).toBe('gzip');
    for (const path of ['/', '/health/ready', '/graphiql', '/desk']) expect((await send(port, path)).status).toBe(404);
    expect((await send(port, '/graphql', { body, host: 'other.example' })).status).toBe(421);
    await stop();
  });

  test('subscriptions pass as events and over WebSocket', async () => {
    const { port, stop } = await startProxy(site);
    const query = 'subscription { customerChanged { id } }';
    const dispatcher = new Agent({
      connect: { ca: read('graph.example.pem'), servername: 'graph.example', checkServerIdentity: () => undefined },
    });
    const controller = new AbortController();
    const { statusCode, headers, body } = await request(`https://127.0.0.1:${port}/graphql`, {
      dispatcher,
      method: 'POST',
      headers: { host: 'graph.example', accept: 'text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
      signal: controller.signal,
    });
    expect([statusCode, headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const opened = Promise.withResolvers<void>();
    let text = '';
    body.on('data', (chunk) => {
      text += chunk;
      opened.resolve();
    });
    body.on('error', () => {});
    await opened.promise;
    const results: unknown[] = [];
    const client = createClient({
      url: `wss://127.0.0.1:${port}/graphql`,
      retryAttempts: 0,
      webSocketImpl: class extends WebSocket {
        constructor(url: string, protocols: string) {
          super(url, protocols, { rejectUnauthorized: false, headers: { host: 'graph.example' } });
        }
      },
    });
    client.subscribe({ query }, { next: (one) => results.push(one), error: () => {}, complete: () => {} });
    let number = 0;
    await expect
      .poll(async () => {
        number += 1;
        await postHubSpot(stack.url, [
          {
            eventId: number,
            subscriptionType: 'contact.creation',
            objectId: 101,
            occurredAt: 1_796_000_000_000 + number,
          },
        ]);
        return [results.length > 0, text.includes('"id":"101"')];
      })
      .toEqual([true, true]);
    controller.abort();
    await client.dispose();
    await dispatcher.destroy();
    await stop();
  });

  test('a body just under a megabyte is accepted, and a larger one is rejected', async () => {
    const { port, stop } = await startProxy(site);
    const ofLength = (length: number) =>
      JSON.stringify({ query: '{ __typename }', variables: { text: 'x'.repeat(length) } });
    expect((await send(port, '/graphql', { body: ofLength(1_000_000) })).status).toBe(200);
    expect((await send(port, '/graphql', { body: ofLength(1_100_000) })).status).toBe(413);
    await stop();
  });

  test('with the two lines for client certificates, a client without one is rejected', async () => {
    const before = '    location = /graphql';
    expect(site).toContain(before);
    const { port, stop } = await startProxy(site.replace(before, `${clientCertificates}\n${before}`));
    expect((await send(port, '/graphql', { body })).status).toBe(400);
    expect((await send(port, '/graphql', { body, certificate: 'client' })).status).toBe(200);
    await stop();
  });
});

describe('docker-compose.production.yml', () => {
  const Override = z.object({
    services: z.record(
      z.string(),
      z.object({ environment: z.record(z.string(), z.string()).default({}), secrets: z.array(z.string()).default([]) }),
    ),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
  });
  const override = Override.parse(parse(blockWith('profiles: [sandbox]', 'yaml')));
  const secretNames = [
    ...AUTH_SECRETS,
    ...INFRASTRUCTURE_SECRETS,
    ...subgraphs.flatMap(({ provider }) => secretsOf(provider)),
  ];

  test('its services, variables and secrets exist', () => {
    const schemas = [
      GatewayEnv,
      InfrastructureEnv,
      createSubgraphUrlsEnv(subgraphs.map(({ name }) => name)),
      SubgraphProcessEnv,
      ...subgraphs.map(({ provider }) => variablesOf(provider)),
    ];
    const known = new Set([
      ...schemas.flatMap(({ shape }) => Object.keys(shape)),
      ...secretNames.map((name) => `${name}_FILE`),
    ]);
    for (const [name, { environment, secrets }] of Object.entries(override.services)) {
      expect(Object.keys(services)).toContain(name);
      expect(Object.keys(environment).filter((variable) => !known.has(variable))).toEqual([]);
      const files = Object.entries(environment).filter(([variable]) => variable.endsWith('_FILE'));
      expect(files.map(([, path]) => path)).toEqual(secrets.map((secret) => `/run/secrets/${secret}`));
      expect(Object.keys(override.secrets)).toEqual(expect.arrayContaining(secrets));
    }
  });

  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const start = (service: string, secret?: string): Spawned => {
    const given = Object.entries(override.services[service]?.environment ?? {}).flatMap(([name, value]) => {
      if (!name.endsWith('_FILE')) return [[name, value]];
      if (secret === undefined) return [];
      writeFileSync(join(folder, 'secret'), `${secret}\n`);
      return [[name, join(folder, 'secret')]];
    });
    const env = { NODE_ENV: 'production', ...environmentOf(service, {}), ...Object.fromEntries(given) };
    return startProcess(services[service]?.command ?? [], { ...env, HOST: '127.0.0.1', PORT: '0' });
  };

  test.each([
    ['payments', 'sk_test_abc'],
    ['crm', 'pat-abc'],
  ])(
    '%s calls its provider for real with the secret file, and does not start without it',
    { tags: ['long'] },
    async (service, secret) => {
      const started = start(service, secret);
      await expect.poll(started.output).toContain('its provider, for real').finally(started.stop);
      expect(await start(service).ended).toBe(78);
    },
  );
});

describe('the guides’ commands', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.close());

  const here = (command: string) =>
    command.replace('https://graph.example', stack.url).replace('http://127.0.0.1:4000', stack.url);

  test('the probe reaches all three subgraphs', async () => {
    stack.reset();
    const { data, errors } = JSON.parse(await shell(here(blockWith('curl', 'sh'))));
    expect(errors).toBeUndefined();
    expect(Object.keys(data)).toEqual(['customers', 'payments', 'product']);
    for (const { calls } of Object.values(stack.sandboxes)) expect(calls.length).toBeGreaterThan(0);
  });

  test('health and report have the documented format', async () => {
    expect(JSON.parse(await shell(here(blockWith('health', 'sh', troubleshooting))))).toEqual({ status: 'ok' });
    const { extensions } = JSON.parse(await shell(here(blockWith('x-tributary-report', 'sh', troubleshooting))));
    for (const row of extensions.tributary.calls) {
      expect(Object.keys(row)).toEqual(expect.arrayContaining(['failures', 'retries', 'waitMs', 'timeMs']));
    }
  });

  test('the health check of containers succeeds', async () => {
    const [node, ...rest] = here(blockWith('healthcheck.ts', 'sh')).trim().split(' ');
    expect(await startProcess([node ?? '', ...rest], {}).ended).toBe(0);
  });
});
