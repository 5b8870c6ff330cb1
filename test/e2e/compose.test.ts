import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { credentialsOf, settingsOf } from '../../connectors/settings.ts';
import { createSubgraphUrlsEnv, GatewayEnv } from '../../gateway/config.ts';
import { ADMIN_SHAPE } from '../../runtime/admin/config.ts';
import { HttpEnv } from '../../runtime/http-limits.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { InfrastructureEnv } from '../../subgraphs/kit/infrastructure.ts';
import {
  type Containers,
  createContainers,
  environmentOf,
  type Host,
  interpolate,
  services,
} from '../helpers/compose.ts';
import { ROOT } from '../helpers/processes.ts';
import { sandboxEnvironment, startSandbox } from '../helpers/sandboxes.ts';

/* docker-compose.yml passes on the host's variables. */

const ADMIN_ENV = z.object(ADMIN_SHAPE);

const PROVIDERS = subgraphs.map(({ provider }) => provider.name);

const OF_EACH: Readonly<Record<string, string>> = {
  payments: '{ payments(first: 1) { edges { node { id } } } }',
  crm: '{ customers(first: 1) { edges { node { id } } } }',
  inventory: '{ product(sku: "OABR-S") { stock { quantity } } }',
};

describe('given a provider’s variables', () => {
  let containers: Containers;
  beforeAll(async () => {
    containers = await createContainers();
  });
  afterAll(() => containers.close());

  test.each(subgraphs.map(({ name, provider }) => [name, provider.name] as const))(
    'then %s calls it for real, without the sandbox of %s',
    { tags: ['long'] },
    async (name, provider) => {
      const sandbox = await startSandbox(provider);
      const subgraph = await containers.up(name, sandboxEnvironment(provider, sandbox));
      expect(subgraph.output()).toContain('its provider, for real');
      const { data, errors } = await containers.askSubgraph(name, OF_EACH[name] ?? '');
      expect(errors).toBeUndefined();
      expect(data).toBeTruthy();
      expect(sandbox.calls.length).toBeGreaterThan(0);
      await sandbox.close();
    },
  );
});

describe('environment variables', () => {
  // Variables that are fixed in the containers.
  const FIXED = [
    'HOST',
    'PORT',
    'NODE_ENV',
    'REDIS_URL',
    'REDIS_CA',
    'SANDBOX',
    'SUPERGRAPH',
    'ADMIN_PORT',
    'ADMIN_HOST',
  ];
  const urls = Object.keys(createSubgraphUrlsEnv(subgraphs.map(({ name }) => name)).shape);
  const namesOf = (shape: object) => Object.keys(shape).filter((name) => !FIXED.includes(name) && !urls.includes(name));

  test('of the gateway are passed to it', () => {
    const missing = namesOf(GatewayEnv.shape).filter((name) => environmentOf('gateway', { [name]: 'x' })[name] !== 'x');
    expect(missing).toEqual([]);
  });

  test.each(subgraphs.map((module) => [module.name, module] as const))(
    'of %s are passed to it, and to no other service',
    (name, module) => {
      const own = namesOf(settingsOf(module.provider));
      const reached = (service: string) => own.filter((one) => environmentOf(service, { [one]: 'x' })[one] === 'x');
      expect(reached(name)).toEqual(own);
      for (const other of Object.keys(services)) if (other !== name) expect(reached(other)).toEqual([]);
      const shared = [
        ...namesOf(InfrastructureEnv.shape),
        ...namesOf(HttpEnv.shape),
        'REQUEST_TIMEOUT_MS',
        'MAX_REQUESTS',
      ].filter(
        // Except MAX_BODY_VALUES: a gateway's requests are larger than a client's.
        (one) => one !== 'MAX_BODY_VALUES',
      );
      expect(shared.filter((one) => environmentOf(name, { [one]: 'x' })[one] !== 'x')).toEqual([]);
    },
  );

  test('of a provider are absent unless set, so that its credential is enough to call it for real', () => {
    for (const { name, provider } of subgraphs) {
      const own = Object.keys(settingsOf(provider));
      for (const credential of credentialsOf(provider)) {
        const env = environmentOf(name, { [credential]: 'x' });
        expect(own.filter((one) => one in env)).toEqual([credential]);
      }
    }
  });
});

test('the gateway’s port is published at 127.0.0.1, unless PUBLISH_ADDRESS is set', () => {
  const published = (host: Host) => services['gateway']?.ports.map((port) => interpolate(port, host));
  expect(published({})).toEqual(['127.0.0.1:4000:4000']);
  expect(published({ PUBLISH_ADDRESS: '0.0.0.0', PUBLISH_PORT: '80' })).toEqual(['0.0.0.0:80:4000']);
  for (const [name, { ports, profiles }] of Object.entries(services)) {
    if (name !== 'gateway' && profiles.length === 0) expect(ports).toEqual([]);
  }
});

describe('monitoring', () => {
  const monitoring = Object.entries(services).filter(([, { profiles }]) => profiles.includes('monitoring'));

  test('runs if asked for, at pinned versions, published at 127.0.0.1 only, with its files read-only', () => {
    expect(monitoring.map(([name]) => name)).toEqual(['prometheus', 'grafana']);
    for (const [name, { image, ports, volumes }] of monitoring) {
      expect(image, name).toMatch(/:v?\d+\.\d+\.\d+$/);
      for (const port of ports) expect(interpolate(port, {}), name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
      const files = volumes.filter((volume) => volume.startsWith('./'));
      expect(files.length, name).toBeGreaterThan(0);
      for (const volume of files) {
        const [, path = '', mode] = /^(\.\/deploy\/[^:]+):[^:]+:(\w+)$/.exec(volume) ?? [];
        expect(mode, volume).toBe('ro');
        expect(existsSync(join(ROOT, path)), volume).toBe(true);
      }
    }
  });

  test('reaches the admin port of the gateway and of each subgraph, which is not published', () => {
    const { scrape_configs: scraped } = parse(readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8'));
    const [{ names, port }] = scraped[0].dns_sd_configs;
    expect(names).toEqual(['gateway', ...subgraphs.map(({ name }) => name)]);
    for (const name of names) {
      expect(environmentOf(name, {})).toMatchObject({ ADMIN_PORT: String(port), ADMIN_HOST: '0.0.0.0' });
      const { ADMIN_ALLOW } = ADMIN_ENV.parse(environmentOf(name, {}));
      for (const address of ['172.18.0.7', '192.168.16.3', '10.1.2.3']) expect(ADMIN_ALLOW.check(address)).toBe(true);
      expect(ADMIN_ALLOW.check('203.0.113.9')).toBe(false);
    }
  });
});

test('the gateway has tokens of sample people, unless it is said otherwise', () => {
  expect(environmentOf('gateway', {})).toMatchObject({ NODE_ENV: 'development', AUTH: 'development' });
  expect(environmentOf('gateway', { AUTH: 'required' })).toMatchObject({ AUTH: 'required' });
});

test('no service depends on a sandbox, so that sandboxes can be left out', () => {
  const waiting = Object.values(services).flatMap(({ depends_on: awaited }) => Object.keys(awaited));
  expect(waiting.filter((name) => PROVIDERS.includes(name))).toEqual([]);
});
