import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { describe, expect, test } from 'vitest';
import { subgraphs } from '../../subgraphs/index.ts';
import { BUILD_NAMES, build, ofKind } from '../helpers/kubernetes.ts';
import { type End, mayConnect } from '../helpers/network-policies.ts';
import { hasTool } from '../helpers/tools.ts';

/* The network policies in deploy/kubernetes: every connection that they allow. */

const OUTSIDE: Readonly<Record<string, End>> = {
  ingress: { labels: {}, namespaceLabels: { 'tributary-access': 'ingress' } },
  monitoring: { labels: {}, namespaceLabels: { 'tributary-access': 'monitoring' } },
  dns: { labels: {}, namespaceLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
  // The labels of the gateway, in a namespace of somebody else.
  stranger: {
    labels: { 'app.kubernetes.io/name': 'gateway', 'app.kubernetes.io/component': 'gateway' },
    namespaceLabels: { 'kubernetes.io/metadata.name': 'default' },
  },
  provider: { address: '198.51.100.7' },
  'provider (IPv6)': { address: '2a00:1450::7' },
  'private network': { address: '10.1.2.3' },
  'private network (IPv6)': { address: 'fd00::7' },
  'metadata service': { address: '169.254.169.254' },
  'managed Redis': { address: '10.0.0.30' },
  Postgres: { address: '10.0.0.40' },
};

const PORTS = ['http', 'admin', 'redis', 53, 80, 443, 4011, 4318, 5432, 6379];

const SUBGRAPHS = subgraphs.map(({ name }) => `${name}-subgraph`);
const GRAPH = ['gateway', ...SUBGRAPHS];

const IN_EVERY_BUILD = [
  'ingress → gateway: http',
  ...SUBGRAPHS.map((pod) => `gateway → ${pod}: http`),
  ...GRAPH.flatMap((pod) => [`monitoring → ${pod}: admin`, `${pod} → dns: 53`]),
];
const INTERNET = GRAPH.flatMap((pod) => [`${pod} → provider: 443`, `${pod} → provider (IPv6): 443`]);
const REDIS = GRAPH.map((pod) => `${pod} → redis: redis`);

const EXPECTED = {
  sandbox: [
    ...IN_EVERY_BUILD,
    ...REDIS,
    ...SUBGRAPHS.flatMap((pod) => PORTS.map((port) => `${pod} → sandbox: ${port}`)),
  ],
  production: [...IN_EVERY_BUILD, ...INTERNET, ...REDIS],
  'production with all components': [
    ...IN_EVERY_BUILD,
    ...INTERNET,
    ...GRAPH.map((pod) => `${pod} → managed Redis: 6379`),
    ...GRAPH.map((pod) => `${pod} → monitoring: 4318`),
    ...GRAPH.map((pod) => `${pod} → Postgres: 5432`),
  ],
};

describe.skipIf(!hasTool('kubectl'))('network policies', () => {
  test.each(BUILD_NAMES)('%s: only the connections that the graph needs are open', (name) => {
    const { manifests, pods } = build(name);
    const policies = ofKind(manifests, NetworkPolicy.is);
    const inside: Record<string, End> = {
      ...Object.fromEntries(pods.map((pod) => [pod.name, { labels: pod.labels }])),
      // A pod that somebody adds to the namespace.
      intruder: { labels: { 'app.kubernetes.io/name': 'intruder' } },
    };
    const ends = Object.entries({ ...OUTSIDE, ...inside });
    const open = ends.flatMap(([from, source]) =>
      ends
        .filter(([to]) => from !== to && (from in inside || to in inside))
        .flatMap(([to, target]) =>
          PORTS.filter((port) => mayConnect(policies, source, target, port)).map((port) => `${from} → ${to}: ${port}`),
        ),
    );
    expect(open.sort()).toEqual([...EXPECTED[name]].sort());
  });
});
