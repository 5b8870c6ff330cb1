import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { print } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { CustomersDocument, PaymentDocument, ProductsDocument } from '../../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../../clients/web/src/generated/graphql.ts';
import { createCompany } from '../../sandbox/company.ts';
import { freePort, ROOT, type Spawned, startProcess } from '../kit/processes.ts';
import { type Ask, createAsk, type Stack, startStack } from '../kit/stack.ts';
import { hasTool } from '../kit/tools.ts';

/*
 * The containers of docker-compose.yml without a container engine: its commands and environments as processes of this
 * machine, in its order and by its health checks. Only names of hosts and ports are put into terms of one machine.
 */

const Service = z.object({
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()).default({}),
  depends_on: z.record(z.string(), z.object({ condition: z.literal('service_healthy') })).default({}),
  healthcheck: z.object({ test: z.tuple([z.literal('CMD')]).rest(z.string()) }),
});
const Compose = z.object({ services: z.record(z.string(), Service) });

const { services } = Compose.parse(parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }));

// What the image gives to every container.
const imageEnvironment = Object.fromEntries(
  [...readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/^ENV (.+)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map((assignment) => assignment.split('=') as [string, string]),
  ),
);

const running = new Map<string, Spawned>();
const ports = new Map<string, number>();
let ask: Ask;
let embedded: Stack;

/** `${NAME:-default}` as with an empty environment, `//service:port` and ports as they are on this machine. */
const localise = (service: string, text: string): string => {
  let local = text.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replace('0.0.0.0', '127.0.0.1');
  for (const [name, port] of ports) local = local.replace(new RegExp(`//${name}:\\d+`), `//127.0.0.1:${port}`);
  const own = services[service]?.environment['PORT'] ?? '6379';
  const port = String(ports.get(service));
  return local === own ? port : local.replace(`//127.0.0.1:${own}/`, `//127.0.0.1:${port}/`);
};

const isHealthy = async (name: string): Promise<boolean> => {
  const [, ...command] = services[name]?.healthcheck.test ?? ['CMD'];
  const check = startProcess(
    command[0] === 'redis-cli'
      ? ['redis-cli', '-p', String(ports.get(name)), ...command.slice(1)]
      : command.map((word) => localise(name, word)),
    {},
  );
  return (await check.ended) === 0;
};

const start = async (name: string): Promise<void> => {
  const service = services[name];
  if (!service || running.has(name)) return;
  for (const dependency of Object.keys(service.depends_on)) await start(dependency);
  if (name === 'redis' && !hasTool('redis-server')) return;
  const env = Object.entries({ ...imageEnvironment, ...service.environment }).map(([key, value]) => [
    key,
    localise(name, value),
  ]);
  const command = name === 'redis' ? [...service.command, '--port', String(ports.get(name))] : service.command;
  running.set(name, startProcess(command, Object.fromEntries(env)));
  for (let tries = 0; !(await isHealthy(name)); tries += 1) {
    if (tries > 200) throw new Error(`${name} does not become healthy:\n${running.get(name)?.output()}`);
  }
};

beforeAll(async () => {
  for (const name of Object.keys(services)) ports.set(name, await freePort());
  await start('gateway');
  ask = createAsk(`http://127.0.0.1:${ports.get('gateway')}/graphql`);
  embedded = await startStack();
}, 60_000);

afterAll(async () => {
  await embedded?.close();
  // The gateway first, as it was started last.
  for (const [, { stop }] of [...running].reverse()) await stop();
});

test('has the gateway, every subgraph, every sandbox and Redis', () => {
  expect(Object.keys(services).sort()).toEqual(
    ['gateway', 'payments', 'crm', 'inventory', 'stripe', 'hubspot', 'openmage', 'redis'].sort(),
  );
});

test('answers every query as the embedded gateway does', async () => {
  const company = createCompany();
  const paymentId = company.accounts[0]?.payments[0]?.id ?? '';
  for (const [document, variables] of [
    [CustomerOverviewDocument, { email: 'ada.lindqvist@customers.example' }],
    [CustomersDocument, {}],
    [ProductsDocument, { skus: ['OABR-S', 'NO-SUCH', 'ZIWA-XL'] }],
    [PaymentDocument, { id: paymentId }],
  ] as const) {
    const query = print(document);
    const [split, whole] = [await ask(query, variables), await embedded.ask(query, variables)];
    expect(split.errors).toBeUndefined();
    expect(split.data).toEqual(whole.data);
  }
});

test('answers bad input as the embedded gateway does', async () => {
  const query = '{ payment(id: "x") { id } customer(email: "ada") { id } products(skus: [""]) { sku } }';
  const [split, whole] = [await ask(query), await embedded.ask(query)];
  expect(split.data).toEqual(whole.data);
  expect(split.errors).toHaveLength(3);
  expect(split.errors).toEqual(expect.arrayContaining([...(whole.errors ?? [])]));
});

test('given a subgraph that is gone, then its fields are errors and the others arrive', async () => {
  await running.get('payments')?.stop();
  const { data, errors } = await ask(
    '{ customers(first: 2) { edges { node { firstName balance { amount } payments { edges { cursor } } } } } products(skus: ["OABR-S"]) { sku } payment(id: "pi_3x") { id } }',
  );
  expect(data).toMatchObject({ products: [{ sku: 'OABR-S' }], payment: null });
  const failed = [
    ['payment'],
    ...[0, 1].flatMap((index) => ['balance', 'payments'].map((field) => ['customers', 'edges', index, 'node', field])),
  ];
  expect(errors?.map(({ path }) => path)).toEqual(expect.arrayContaining(failed));
  expect(errors).toHaveLength(failed.length);
  expect(new Set(errors?.map(({ extensions }) => extensions?.['code']))).toEqual(new Set(['UPSTREAM_UNAVAILABLE']));
  expect(JSON.stringify(errors)).not.toContain('127.0.0.1');
});
