import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { imageEnvironment } from './compose.ts';
import { ROOT } from './processes.ts';

/* Builds and reads the manifests in deploy/kubernetes. */

export const FOLDER = join(ROOT, 'deploy/kubernetes');

const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
export type Manifest = z.output<typeof Manifest>;

export const isManifest = (value: unknown): value is Manifest => Manifest.safeParse(value).success;

/** What can be installed: an overlay, with or without components. */
export const BUILDS = {
  sandbox: { folder: 'overlays/sandbox', components: [] },
  production: { folder: 'overlays/production', components: [] },
  'production with all components': {
    folder: 'overlays/production',
    components: ['monitoring', 'managed-redis', 'webhooks'],
  },
} as const satisfies Record<string, { readonly folder: string; readonly components: readonly string[] }>;

export type BuildName = keyof typeof BUILDS;
export const BUILD_NAMES: readonly BuildName[] = ['sandbox', 'production', 'production with all components'];

/** Builds an overlay with kustomize, as `kubectl apply -k` does. */
const kustomize = (name: BuildName): Manifest[] => {
  const { folder, components } = BUILDS[name];
  const top = mkdtempSync(join(realpathSync(tmpdir()), 'kustomize-'));
  const pathTo = (path: string) => relative(top, join(FOLDER, path));
  const file = {
    resources: [pathTo(folder)],
    components: components.map((component) => pathTo(join('components', component))),
  };
  try {
    writeFileSync(join(top, 'kustomization.yaml'), JSON.stringify(file));
    const text = execFileSync('kubectl', ['kustomize', top], { encoding: 'utf8' });
    return parseAllDocuments(text).map((document) => Manifest.parse(document.toJS()));
  } finally {
    rmSync(top, { recursive: true });
  }
};

export type Build = {
  readonly manifests: readonly Manifest[];
  readonly workloads: readonly Workload[];
  readonly pods: readonly Pod[];
  /** The pods that run Tributary's code. */
  readonly processes: readonly Pod[];
  /** Those of the gateway and the subgraphs. */
  readonly graph: readonly Pod[];
};

/** Builds an overlay. */
export const build = (name: BuildName): Build => {
  const manifests = kustomize(name);
  const workloads = workloadsOf(manifests);
  const pods = workloads.map((workload) => podOf(workload, manifests));
  const processes = pods.filter(({ container }) => container.command?.[0] === 'node');
  const graph = processes.filter((pod) => pod.name !== 'sandbox');
  return { manifests, workloads, pods, processes, graph };
};

/** Groups whose schemas are in a package of their own. */
const PACKAGES: Readonly<Record<string, string>> = {
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator',
};

type Validating = { readonly validate: () => void };

/** Returns how a manifest violates the schema of its kind, unknown fields included. */
export const problemsOf = async (manifest: Manifest): Promise<string[]> => {
  const { apiVersion, kind } = manifest;
  const path = `${PACKAGES[apiVersion] ?? 'kubernetes-models'}/${apiVersion}/${kind}`;
  const models: Record<string, new (data: object) => Validating> = await import(path);
  const Model = models[kind];
  if (!Model) throw new Error(`${path} has no ${kind}.`);
  const unread = new Set<string>();
  const model = watchReads(new Model(manifest), kind, unread);
  try {
    model.validate();
  } catch (error) {
    return [`${kind} ${manifest.metadata.name}: ${error instanceof Error ? error.message : error}`];
  }
  return [...unread].map((field) => `${field} is unknown`);
};

/**
 * Returns a view of a value that takes each field out of `unread` when it is read, under its path. A validator reads every field
 * that its schema has; the official schemas allow others, which the API server refuses or drops.
 */
const watchReads = <Value extends object>(value: Value, path: string, unread: Set<string>): Value => {
  const views = new Map<string | symbol, object>();
  for (const [key, field] of Object.entries(value)) {
    const fieldPath = `${path}.${key}`;
    unread.add(fieldPath);
    if (typeof field === 'object' && field !== null) views.set(key, watchReads(field, fieldPath, unread));
  }
  return new Proxy(value, {
    get: (target, key, receiver) => {
      unread.delete(`${path}.${String(key)}`);
      return views.get(key) ?? Reflect.get(target, key, receiver);
    },
  });
};

/** Returns the manifests of one kind, e.g. with the guard `Deployment.is`. */
export const ofKind = <Kind>(manifests: readonly unknown[], is: (one: unknown) => one is Kind): Kind[] =>
  manifests.filter(is);

export type Workload = IDeployment | IStatefulSet;

/** Returns the manifests that run pods. */
const workloadsOf = (manifests: readonly Manifest[]): Workload[] => [
  ...ofKind(manifests, Deployment.is),
  ...ofKind(manifests, StatefulSet.is),
];

export type Pod = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: IPodSpec;
  readonly container: IContainer;
  readonly env: Readonly<Record<string, string>>;
};

/** Returns a workload's pod, with the environment that its only container gets, the image's included. */
const podOf = ({ metadata, spec }: Workload, manifests: readonly Manifest[]): Pod => {
  const { metadata: { labels = {}, annotations = {} } = {}, spec: pod } = spec?.template ?? {};
  const [container, ...others] = pod?.containers ?? [];
  const name = metadata?.name ?? '';
  if (!pod || !container || others.length > 0) throw new Error(`${name} must have one container.`);
  return { name, labels, annotations, spec: pod, container, env: environmentOf(container, manifests) };
};

/** Returns the content of a ConfigMap. */
export const configOf = (
  name: string | undefined,
  manifests: readonly Manifest[],
): Readonly<Record<string, string>> => {
  const data = ofKind(manifests, ConfigMap.is).find(({ metadata }) => metadata?.name === name)?.data;
  if (!data) throw new Error(`There is no ConfigMap ${name}.`);
  return data;
};

const environmentOf = (
  { image, env = [], envFrom = [] }: IContainer,
  manifests: readonly Manifest[],
): Record<string, string> => {
  const configs = envFrom.map(({ configMapRef }) => configOf(configMapRef?.name, manifests));
  return {
    ...(image?.includes('tributary') && imageEnvironment),
    ...Object.fromEntries(configs.flatMap((config) => Object.entries(config))),
    ...Object.fromEntries(env.map(({ name, value = '' }) => [name, value])),
  };
};
