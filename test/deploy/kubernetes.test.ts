import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { secretsOf, variablesOf } from '../../connectors/settings.ts';
import { webhookVariableOf } from '../../connectors/webhook-settings.ts';
import { AUTH_SECRETS } from '../../gateway/auth/auth-config.ts';
import { createSubgraphUrlsEnv, GATEWAY_SECRETS, GatewayEnv, urlVariable } from '../../gateway/config.ts';
import product from '../../package.json' with { type: 'json' };
import { createSandboxProcessEnv } from '../../sandbox/config.ts';
import { SubgraphProcessEnv } from '../../subgraphs/config.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { INFRASTRUCTURE_SECRETS, InfrastructureEnv } from '../../subgraphs/kit/infrastructure.ts';
import { LAST_EXPORT_MS } from '../../telemetry/last-export.ts';
import { services as composeServices } from '../helpers/compose.ts';
import {
  BUILD_NAMES,
  BUILDS,
  type Build,
  build,
  configOf,
  isManifest,
  ofKind,
  type Pod,
  problemsOf,
} from '../helpers/kubernetes.ts';
import { isSelected } from '../helpers/network-policies.ts';
import { ROOT, startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* The manifests in deploy/kubernetes fit the schemas of Kubernetes, each other, and the code. */

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The keys of the secrets that the guide creates, by the secret's name. */
const GUIDE_SECRETS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [...read('deploy/README.md').matchAll(/create secret generic (\S+) (.*)$/gm)].map(([, secret = '', options = '']) => [
    secret,
    [...options.matchAll(/--from-file=([\w.]+)=/g)].map(([, key = '']) => key),
  ]),
);

const files = (secrets: readonly string[]) => secrets.map((name) => `${name}_FILE`);
const namesOf = ({ shape }: { readonly shape: object }) => Object.keys(shape);

/** The variables of the admin port, which every process of the graph has. */
const ADMIN_VARIABLES = namesOf(GatewayEnv).filter((name) => name.startsWith('ADMIN_'));

/** Returns the variables that a pod's process reads. */
const variablesOfProcess = ({ container, env }: Pod): ReadonlySet<string> => {
  switch (container.command?.at(-1)) {
    case 'gateway/main.ts':
      return new Set([
        ...namesOf(GatewayEnv),
        ...namesOf(InfrastructureEnv),
        ...namesOf(createSubgraphUrlsEnv(subgraphs.map(({ name }) => name))),
        ...files([...AUTH_SECRETS, ...GATEWAY_SECRETS, ...INFRASTRUCTURE_SECRETS]),
        ...files(subgraphs.map(({ provider }) => webhookVariableOf(provider))),
      ]);
    case 'subgraphs/main.ts': {
      const { provider } = subgraphs.find(({ name }) => name === env['SUBGRAPHS']) ?? {};
      return new Set([
        ...namesOf(SubgraphProcessEnv),
        ...namesOf(InfrastructureEnv),
        ...ADMIN_VARIABLES,
        ...files(['SUBGRAPH_SECRET', 'EVENTS_URL', ...INFRASTRUCTURE_SECRETS]),
        ...(provider ? [...namesOf(variablesOf(provider)), ...files(secretsOf(provider))] : []),
      ]);
    }
    case 'sandbox/main.ts':
      return new Set(namesOf(createSandboxProcessEnv([])));
    default:
      throw new Error(`Not a process of Tributary: ${container.command?.join(' ')}`);
  }
};

const nameOf = ({ metadata }: { readonly metadata?: { readonly name?: string } }): string => metadata?.name ?? '';

/** Returns the key of a secret that a container finds at a path, as `<secret>/<key>`. */
const secretAt = (path: string, { container, spec }: Pod): string | undefined => {
  const mount = container.volumeMounts?.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
  const { secret } = spec.volumes?.find(({ name }) => name === mount?.name) ?? {};
  if (!mount || !secret) return undefined;
  const file = path.slice(mount.mountPath.length + 1);
  const key = secret.items ? secret.items.find((item) => item.path === file)?.key : file;
  return `${secret.secretName}/${key}`;
};

describe.skipIf(!hasTool('kubectl')).each(BUILD_NAMES)('%s', (name) => {
  const has = (component: string): boolean => BUILDS[name].components.some((one) => one === component);
  let built: Build;
  beforeAll(() => {
    built = build(name);
  });
  const podsWith = (labels: Readonly<Record<string, string>>): string[] =>
    built.pods.filter((pod) => isSelected({ matchLabels: labels }, pod.labels)).map((pod) => pod.name);

  test('every manifest fits the schema of its kind', async () => {
    expect((await Promise.all(built.manifests.map(problemsOf))).flat()).toEqual([]);
  });

  test('everything is in the namespace', () => {
    const others = built.manifests.filter(
      ({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'tributary',
    );
    expect(others).toEqual([]);
  });

  test('the gateway and each subgraph have pods of their own', () => {
    expect(built.graph.map(({ env }) => env['SUBGRAPHS'] ?? 'gateway').sort()).toEqual(
      ['gateway', ...subgraphs.map((subgraph) => subgraph.name)].sort(),
    );
  });

  test('every variable is one that the process reads', () => {
    for (const pod of built.processes) {
      const known = variablesOfProcess(pod);
      const unknown = Object.keys(pod.env).filter((variable) => !known.has(variable));
      expect([pod.name, unknown]).toEqual([pod.name, []]);
    }
  });

  test('every file of a secret is a key that the guide creates', () => {
    const created = Object.entries(GUIDE_SECRETS).flatMap(([secret, keys]) => keys.map((key) => `${secret}/${key}`));
    const used = built.processes.flatMap((pod) =>
      Object.entries(pod.env).flatMap(([variable, path]) => (variable.endsWith('_FILE') ? [secretAt(path, pod)] : [])),
    );
    expect(created).toEqual(expect.arrayContaining(used));
    // The subgraphs' secret and Redis's URL, in production a credential of each provider, and what webhooks need.
    expect(new Set(used).size).toBe((name === 'sandbox' ? 2 : 5) + (has('webhooks') ? 3 : 0));
  });

  test('every volume is mounted, and every mount has its volume', () => {
    for (const { name: pod, container, spec } of built.pods) {
      const mounts = (container.volumeMounts ?? []).map((mount) => mount.name);
      expect([pod, mounts.sort()]).toEqual([pod, (spec.volumes ?? []).map((volume) => volume.name).sort()]);
    }
  });

  test('secrets are readable for the group of the process, and replaced while it runs', () => {
    for (const { spec, container } of built.pods) {
      const modes = (spec.volumes ?? []).flatMap(({ secret }) => (secret ? [secret.defaultMode] : []));
      expect(modes.filter((mode) => mode !== 0o440)).toEqual([]);
      if (modes.length > 0) expect(spec.securityContext?.fsGroup).toBe(spec.securityContext?.runAsGroup);
      // Kubernetes never updates a file that is mounted by itself.
      expect((container.volumeMounts ?? []).filter(({ subPath }) => subPath !== undefined)).toEqual([]);
    }
  });

  test('images and commands are those of the Dockerfile and of Compose', () => {
    for (const { name: pod, container, env } of built.processes) {
      expect(container.image).toBe(`registry.example/tributary:${product.version}`);
      const ofCompose = composeServices[pod === 'sandbox' ? 'stripe' : (env['SUBGRAPHS'] ?? 'gateway')]?.command;
      expect([pod, container.command]).toEqual([pod, ofCompose]);
    }
    const [, command = ''] = /^CMD (.+)$/m.exec(read('Dockerfile')) ?? [];
    expect(built.graph.find((pod) => pod.name === 'gateway')?.container.command).toEqual(JSON.parse(command));
  });

  test('ports are those that the processes listen on', () => {
    for (const { env, container, annotations } of built.graph) {
      const ports = (container.ports ?? []).map((port) => [port.name, String(port.containerPort)]);
      expect(Object.fromEntries(ports)).toEqual({ http: env['PORT'], admin: env['ADMIN_PORT'] });
      expect(annotations).toMatchObject({
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': env['ADMIN_PORT'],
        'prometheus.io/path': '/metrics',
      });
    }
  });

  test('services lead to the ports of one workload, inside the cluster', () => {
    for (const service of ofKind(built.manifests, Service.is)) {
      expect(podsWith(service.spec?.selector ?? {})).toEqual([nameOf(service)]);
      expect(service.spec?.type).toBeUndefined();
      const { container } = built.pods.find((pod) => pod.name === nameOf(service)) ?? {};
      for (const { port, targetPort } of service.spec?.ports ?? []) {
        expect(container?.ports).toContainEqual({ name: targetPort, containerPort: port });
      }
    }
  });

  test('the gateway calls each subgraph at its service', () => {
    const gateway = built.graph.find((pod) => pod.name === 'gateway');
    for (const subgraph of subgraphs) {
      const url = new URL(gateway?.env[urlVariable(subgraph.name)] ?? '');
      expect(url.pathname).toBe(`/${subgraph.name}`);
      expect(built.pods.find((pod) => pod.name === url.hostname)?.env).toMatchObject({
        SUBGRAPHS: subgraph.name,
        PORT: url.port,
      });
      expect(ofKind(built.manifests, Service.is).map(nameOf)).toContain(url.hostname);
    }
  });

  test('selectors select the pods of their own workload', () => {
    for (const workload of built.workloads) {
      const { selector, template } = workload.spec ?? {};
      const spread = template?.spec?.topologySpreadConstraints ?? [];
      for (const { matchLabels } of [selector ?? {}, ...spread.map(({ labelSelector }) => labelSelector ?? {})]) {
        expect(podsWith(matchLabels ?? {})).toEqual([nameOf(workload)]);
      }
    }
    for (const { name: pod, spec } of built.graph) {
      expect([pod, spec.topologySpreadConstraints?.map(({ topologyKey }) => topologyKey)]).toEqual([
        pod,
        ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'],
      ]);
    }
  });

  test('the gateway and subgraphs lose one pod at a time', () => {
    const budgets = ofKind(built.manifests, PodDisruptionBudget.is);
    expect(budgets.flatMap(({ spec }) => podsWith(spec?.selector?.matchLabels ?? {})).sort()).toEqual(
      built.graph.map((pod) => pod.name).sort(),
    );
    for (const { spec } of budgets) expect(spec?.maxUnavailable).toBe(1);
    for (const { spec } of ofKind(built.manifests, Deployment.is)) {
      if (spec?.replicas === undefined) expect(spec?.strategy?.rollingUpdate?.maxUnavailable).toBe(0);
    }
  });

  test('autoscalers decide the number of pods', () => {
    const scalers = ofKind(built.manifests, HorizontalPodAutoscaler.is);
    expect(scalers.map(({ spec }) => spec?.scaleTargetRef.name).sort()).toEqual(
      name === 'sandbox' ? [] : built.graph.map((pod) => pod.name).sort(),
    );
    for (const { spec } of scalers) {
      const target = ofKind(built.manifests, Deployment.is).find((one) => nameOf(one) === spec?.scaleTargetRef.name);
      expect(target?.spec?.replicas).toBeUndefined();
      expect(spec?.minReplicas).toBeGreaterThan(1);
      expect(spec?.metrics?.map((metric) => metric.resource?.name ?? metric.pods?.metric.name)).toEqual([
        'cpu',
        ...(has('monitoring') ? ['tributary_admission_queued'] : []),
      ]);
    }
  });

  test('pods have no more rights than they need, and bounds', () => {
    for (const { name: pod, spec, container } of built.pods) {
      expect({ pod, ...spec }).toMatchObject({
        pod,
        automountServiceAccountToken: false,
        // Otherwise each service sets variables, such as REDIS_PORT.
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: expect.any(Number),
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      expect({ pod, ...container }).toMatchObject({
        pod,
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        resources: {
          requests: { cpu: expect.anything(), memory: expect.anything() },
          limits: { memory: expect.anything() },
        },
      });
      const account = ofKind(built.manifests, ServiceAccount.is).find((one) => nameOf(one) === spec.serviceAccountName);
      expect(account).toMatchObject({ automountServiceAccountToken: false });
    }
  });

  test('pods serve until they are out of every list, and have the time to finish', () => {
    const { REQUEST_TIMEOUT_MS } = GatewayEnv.parse({});
    for (const { env, spec, container } of built.graph) {
      const [delayMs, graceMs] = [Number(env['SHUTDOWN_DELAY_MS']), Number(env['SHUTDOWN_GRACE_MS'])];
      // Load balancers with checks of their own ask about as often.
      expect(delayMs).toBeGreaterThan((container.readinessProbe?.periodSeconds ?? 10) * 1000);
      expect(graceMs).toBeGreaterThanOrEqual(REQUEST_TIMEOUT_MS);
      expect((spec.terminationGracePeriodSeconds ?? 30) * 1000).toBeGreaterThan(delayMs + graceMs + LAST_EXPORT_MS);
    }
  });

  test('only the graph is served outside the cluster', () => {
    const rules = ofKind(built.manifests, Ingress.is).flatMap(({ spec }) => spec?.rules ?? []);
    const backend = { service: { name: 'gateway', port: { name: 'http' } } };
    expect(rules.flatMap(({ http }) => http?.paths ?? [])).toEqual([
      ...(name === 'sandbox' ? [] : [{ path: '/graphql', pathType: 'Exact', backend }]),
      ...(has('webhooks') ? [{ path: '/webhooks', pathType: 'Prefix', backend }] : []),
    ]);
    const { ALLOWED_HOSTS: allowed, PUBLIC_URL: publicUrl } =
      built.graph.find((pod) => pod.name === 'gateway')?.env ?? {};
    expect(rules.map(({ host }) => host)).toEqual(name === 'sandbox' ? [] : [allowed]);
    expect(publicUrl).toBe(has('webhooks') ? `https://${allowed}` : undefined);
  });

  test('Prometheus scrapes the gateway and the subgraphs', () => {
    const monitors = ofKind(built.manifests, PodMonitor.is);
    expect(monitors).toHaveLength(has('monitoring') ? 1 : 0);
    for (const { spec } of monitors) {
      expect(built.pods.filter(({ labels }) => isSelected(spec.selector, labels))).toEqual(built.graph);
      expect(spec.podMetricsEndpoints?.map(({ port, path }) => [port, path])).toEqual([['admin', '/metrics']]);
      // The alerts select by this name, which would be that of the PodMonitor otherwise.
      expect(spec.podMetricsEndpoints?.map(({ relabelings }) => relabelings)).toEqual([
        [{ targetLabel: 'job', replacement: 'tributary' }],
      ]);
    }
  });

  test('Redis keeps to the guide’s rules, within the memory of its container', () => {
    const redis = built.pods.find((pod) => pod.name === 'redis');
    expect(redis === undefined).toBe(has('managed-redis'));
    if (!redis) return;
    const [config] = (redis.spec.volumes ?? []).flatMap(({ configMap }) => configMap?.name ?? []);
    const text = configOf(config, built.manifests)['redis.conf'] ?? '';
    expect(text.split('\n')).toEqual(
      expect.arrayContaining(['maxmemory-policy allkeys-lru', 'save ""', 'appendonly no']),
    );
    const [, maxMib] = /^maxmemory (\d+)mb$/m.exec(text) ?? [];
    const limit = String(redis.container.resources?.limits?.['memory']);
    expect(limit).toMatch(/^\d+Mi$/);
    expect(Number.parseInt(limit, 10)).toBeGreaterThanOrEqual(Number(maxMib) * 1.5);
  });
});

describe.skipIf(!hasTool('kubectl'))('an invalid manifest is noticed', () => {
  const deployment = () => {
    const manifest = build('sandbox').manifests.find(({ kind }) => kind === 'Deployment');
    return JSON.stringify(manifest);
  };

  test.each([
    ['a misspelled field', '"readinessProbe":', '"readinesProbe":', 'readinesProbe is unknown'],
    ['a field at the wrong level', '"strategy":', '"automountServiceAccountToken":false,"strategy":', 'is unknown'],
    ['a wrong type', '"periodSeconds":5', '"periodSeconds":"5"', 'periodSeconds must be integer'],
    ['a missing field', '"topologyKey":"kubernetes.io/hostname",', '', 'must have required property topologyKey'],
    ['an unknown value', '"ScheduleAnyway"', '"Sometimes"', 'must be equal to one of the allowed values'],
  ])('%s', async (_, from, to, problem) => {
    const text = deployment();
    expect(text).toContain(from);
    const changed: unknown = JSON.parse(text.replace(from, to));
    expect(isManifest(changed) ? await problemsOf(changed) : []).toContainEqual(expect.stringContaining(problem));
  });
});

describe('the guide', () => {
  test('gives Redis’s user the commands that docs/security.md lists, and no others', () => {
    const commandsIn = (text: string) => [...text.matchAll(/ \+(\w+)/g)].map(([, command]) => command).sort();
    const [, ofGuide = ''] = /^user tributary (.*)$/m.exec(read('deploy/README.md')) ?? [];
    const [, ofSecurity = ''] = /ACL SETUSER tributary ([\s\S]*?)```/.exec(read('docs/security.md')) ?? [];
    expect(commandsIn(ofGuide).length).toBeGreaterThan(20);
    expect(commandsIn(ofGuide)).toEqual(commandsIn(ofSecurity));
  });
});

test('the guide loads the rules as resources of the Prometheus operator', async () => {
  const [, command = ''] =
    /^```sh\n(for name in recording alerts[\s\S]*?) \| kubectl apply -f -\n```/m.exec(read('deploy/README.md')) ?? [];
  const { ended, output } = startProcess(['sh', '-c', command], {});
  expect(await ended).toBe(0);
  const created = parseAllDocuments(output()).map((document): unknown => document.toJS());
  const manifests = created.filter(isManifest).filter(PrometheusRule.is);
  expect(manifests).toEqual(created);
  expect(await Promise.all(created.filter(isManifest).map(problemsOf))).toEqual([[], []]);
  expect(manifests).toMatchObject(
    ['recording', 'alerts'].map((name) => ({
      metadata: { namespace: 'tributary', name: `tributary-${name}` },
      spec: parse(read(`deploy/prometheus/rules/${name}.yml`)),
    })),
  );
});
