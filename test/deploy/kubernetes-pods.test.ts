// @module-tag long

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { credentialsOf } from '../../connectors/settings.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { type Build, type BuildName, build, type Pod, problemsOf } from '../helpers/kubernetes.ts';
import { createPods, type Pods, type RunningPod, type Secrets } from '../helpers/pods.ts';
import { ROOT } from '../helpers/processes.ts';
import { createAsk } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* The pods of deploy/kubernetes, as local processes, with secrets made by the commands of deploy/README.md. */

const Secret = z.object({
  apiVersion: z.string(),
  kind: z.literal('Secret'),
  metadata: z.object({ name: z.string(), namespace: z.literal('tributary') }),
  data: z.record(z.string(), z.base64()),
});

/** The guide's commands that create secrets, with the files that they need. */
const secretCommands = (): string =>
  [...readFileSync(join(ROOT, 'deploy/README.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .map(([, block = '']) => block)
    .filter((block) => block.includes('secrets') && !block.includes('--dry-run'))
    .join('\n');

const CREDENTIALS: Readonly<Record<string, string>> = {
  stripe_api_key: 'sk_test_0123456789',
  stripe_webhook: 'whsec_0123456789abcdef',
  hubspot_webhook: 'client-secret-0123456789',
  hubspot_access_token: 'pat-eu1-0123456789',
  openmage_api_key: 'openmage-0123456789',
};

/** Runs the guide's commands, and returns the secrets that they would create in a cluster. */
const createSecrets = (): z.output<typeof Secret>[] => {
  const folder = mkdtempSync(join(tmpdir(), 'guide-'));
  const lines = Object.entries(CREDENTIALS).map(([file, value]) => `echo ${value} > secrets/${file}`);
  const commands = secretCommands().replace(/^mkdir .*$/m, (mkdir) => [mkdir, ...lines].join('\n'));
  // Prints secrets instead of creating them, and leaves out all other commands.
  const kubectl = `kubectl() { case "$*" in *"create secret generic"*)
    command kubectl "$@" --dry-run=client -o json | tr -d '\\n'; echo;; esac; }`;
  try {
    const output = execFileSync('bash', ['-euc', `${kubectl}\n${commands}`], { cwd: folder, encoding: 'utf8' });
    return output
      .trim()
      .split('\n')
      .map((line) => Secret.parse(JSON.parse(line)));
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const decode = (data: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));

/** Whether a pod is of a subgraph that has just been generated: its credentials are for its author to add. */
const isWithoutCredentials = ({ env }: Pod): boolean => {
  const { provider } = subgraphs.find(({ name }) => name === env['SUBGRAPHS']) ?? {};
  return provider !== undefined && !credentialsOf(provider).some((name) => name in env || `${name}_FILE` in env);
};

const hasRedis = hasTool('redis-server');

describe.skipIf(!hasTool('kubectl and openssl'))('with the secrets of the guide', () => {
  let secrets: Secrets;
  beforeAll(() => {
    secrets = Object.fromEntries(createSecrets().map(({ metadata, data }) => [metadata.name, decode(data)]));
  });

  test('the guide’s commands create valid secrets', async () => {
    for (const secret of createSecrets()) expect(await problemsOf(secret)).toEqual([]);
    expect(Object.keys(secrets).sort()).toEqual([
      'events',
      'hubspot',
      'openmage',
      'redis',
      'stripe',
      'subgraph-secret',
      'webhooks',
    ]);
  });

  /** Starts all pods of a build once for the tests of a block. */
  const usePods = (name: BuildName) => {
    let built: Build;
    let pods: Pods;
    let running: Map<string, RunningPod>;
    beforeAll(async () => {
      built = build(name);
      pods = await createPods(built, secrets);
      const startable = built.pods.filter(
        (pod) => (pod.name !== 'redis' || hasRedis) && (name === 'sandbox' || !isWithoutCredentials(pod)),
      );
      const started = await Promise.all(startable.map(async (pod) => [pod.name, await pods.start(pod)] as const));
      running = new Map(started);
    });
    afterAll(() => pods.close());
    const pod = (podName: string): RunningPod => {
      const found = running.get(podName);
      if (!found) throw new Error(`The pod ${podName} does not run.`);
      return found;
    };

    test('every pod passes the probes of its node', async () => {
      for (const { name: podName, container } of built.pods.filter((one) => running.has(one.name))) {
        const { probe } = pod(podName);
        const { readinessProbe, livenessProbe } = container;
        expect([podName, await probe(readinessProbe), await probe(livenessProbe)]).toEqual([
          podName,
          'healthy',
          'healthy',
        ]);
      }
    });

    test.skipIf(!hasRedis)('the gateway and the subgraphs reach Redis with their own user', async () => {
      for (const { name: podName } of built.graph.filter((one) => running.has(one.name))) {
        const health = async () => {
          const port = podName === 'gateway' ? 'admin' : 'http';
          return (await fetch(`${pod(podName).urlOf(port)}/health/ready`)).json();
        };
        await expect.poll(health).toMatchObject({ status: 'ok', redis: 'ok' });
      }
    });

    return { pod };
  };

  describe('sandbox', () => {
    const { pod } = usePods('sandbox');

    test('a query gets data of all subgraphs, and of the sandboxes only', async () => {
      const { urlOf } = pod('gateway');
      const response = await fetch(`${urlOf('http')}/auth/development/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ person: 'administrator' }),
      });
      const { access_token: token } = z.object({ access_token: z.string() }).parse(await response.json());
      const ask = createAsk(`${urlOf('http')}/graphql`);
      const query = `{
        customer(email: "ada.lindqvist@customers.example") { firstName balance { currency } }
        product(sku: "OABR-S") { stock { quantity } }
      }`;
      const { data, errors } = await ask(query, {}, { headers: { authorization: `Bearer ${token}` } });
      expect(errors).toBeUndefined();
      expect(data).toMatchObject({
        customer: { firstName: 'Ada', balance: { currency: 'SEK' } },
        product: { stock: { quantity: expect.any(Number) } },
      });
      for (const { name } of subgraphs) expect(pod(`${name}-subgraph`).output()).toContain('sandbox, with sample data');
    });
  });

  describe('production', () => {
    const { pod } = usePods('production');

    test('subgraphs call their providers for real', () => {
      for (const name of ['payments', 'crm', 'inventory']) {
        expect(pod(`${name}-subgraph`).output()).toContain('its provider, for real');
      }
    });

    test('the gateway serves the graph alone, at its name, and to nobody without a token', async () => {
      const statusOf = async (path: string, host = 'graph.example') => {
        const dispatcher = new Agent();
        const { statusCode, body } = await request(`${pod('gateway').urlOf('http')}${path}`, {
          dispatcher,
          headers: { host, 'content-type': 'application/json' },
          ...(path === '/graphql' && { method: 'POST', body: JSON.stringify({ query: '{ __typename }' }) }),
        });
        await body.dump();
        await dispatcher.close();
        return statusCode;
      };
      expect(await statusOf('/graphql')).toBe(401);
      expect(await statusOf('/graphql', 'other.example')).toBe(421);
      for (const path of ['/', '/desk', '/graphiql', '/auth/development/people'])
        expect(await statusOf(path)).toBe(404);
    });
  });
});
