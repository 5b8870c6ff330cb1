import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { IProbe } from 'kubernetes-models/v1/Probe';
import type { IVolume } from 'kubernetes-models/v1/Volume';
import { type Build, configOf, type Pod } from './kubernetes.ts';
import { freePort, type Spawned, startProcess } from './processes.ts';

/*
 * Runs pods without a cluster: their commands as local processes, with their environments, volumes and probes. Only host names,
 * addresses, ports and the paths of volumes are translated.
 */

/** The content of secrets, by their names. */
export type Secrets = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The result of a probe. `unreachable` if nothing listens yet. */
export type Health = 'healthy' | 'unhealthy' | 'unreachable';

export type RunningPod = Spawned & {
  /** Returns the local URL of a port, by its name. */
  readonly urlOf: (port: string) => string;
  /** Probes the pod like its node's kubelet. */
  readonly probe: (probe: IProbe | undefined) => Promise<Health>;
};

export type Pods = {
  /** Starts a pod, and waits until its startup probe succeeds. */
  readonly start: (pod: Pod) => Promise<RunningPod>;
  /** Kills all pods. */
  readonly close: () => Promise<void>;
};

/** More than any pod listens on. */
const PORTS_OF_A_POD = 10;

/** The period of startup probes. */
const PROBE_EVERY_MS = 50;

/** Prepares to run the pods of a build with these secrets. */
export const createPods = async ({ pods, manifests }: Build, secrets: Secrets): Promise<Pods> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'pods-'));
  const running: Spawned[] = [];
  const firstPort = await freePort(pods.length * PORTS_OF_A_POD);

  /** Returns the local port for one of a pod's. Those that the container does not name follow the first. */
  const localPort = ({ name, container }: Pod, port: number): number => {
    const named = (container.ports ?? []).map((one) => one.containerPort);
    const index = named.indexOf(port);
    const place = pods.findIndex((pod) => pod.name === name) * PORTS_OF_A_POD;
    return firstPort + place + (index < 0 ? port - (named[0] ?? 0) : index);
  };

  const contentOf = ({ name, secret, configMap, emptyDir }: IVolume): Readonly<Record<string, string>> => {
    if (configMap) return configOf(configMap.name, manifests);
    if (emptyDir) return {};
    const content = secrets[secret?.secretName ?? ''];
    if (!content) throw new Error(`There is no secret for the volume ${name}.`);
    if (!secret?.items) return content;
    return Object.fromEntries(secret.items.map(({ key, path }) => [path, content[key] ?? '']));
  };

  const start = async (pod: Pod): Promise<RunningPod> => {
    const { container, spec } = pod;
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => ({
      mountPath,
      isWritable: !readOnly,
      path: join(folder, pod.name, name),
      volume: spec.volumes?.find((volume) => volume.name === name) ?? { name },
    }));

    const localise = (text: string): string => {
      let local = text.replace(/^bind .*$/m, 'bind 127.0.0.1').replace(/^0\.0\.0\.0$/, '127.0.0.1');
      for (const other of pods) {
        local = local.replaceAll(
          new RegExp(`(//|@)${other.name}:(\\d+)`, 'g'),
          (_, before: string, port: string) => `${before}127.0.0.1:${localPort(other, Number(port))}`,
        );
      }
      for (const { mountPath, path } of mounts) local = local.replaceAll(`${mountPath}/`, `${path}/`);
      for (const { containerPort } of container.ports ?? []) {
        local = local.replace(new RegExp(`^(port )?${containerPort}$`, 'm'), `$1${localPort(pod, containerPort)}`);
      }
      return local.replaceAll('redis-cli ', `redis-cli -p ${localPort(pod, 6379)} `);
    };

    for (const { path, volume } of mounts) {
      mkdirSync(path, { recursive: true });
      for (const [file, text] of Object.entries(contentOf(volume))) {
        writeFileSync(join(path, file), localise(text), { mode: 0o440 });
      }
    }
    const temporary = mounts.find(({ mountPath }) => mountPath === '/tmp')?.path;
    const env = {
      ...Object.fromEntries(Object.entries(pod.env).map(([name, value]) => [name, localise(value)])),
      TMPDIR: temporary ?? join(folder, 'missing'),
      NODE_COMPILE_CACHE: temporary ? join(temporary, 'node-compile-cache') : '',
      ...(container.securityContext?.readOnlyRootFilesystem && { NODE_OPTIONS: readOnlyOptions(mounts) }),
    };
    const child = startProcess((container.command ?? []).map(localise), env);
    running.push(child);
    let hasEnded = false;
    void child.ended.then(() => {
      hasEnded = true;
    });

    const portOf = (port: number | string): number => {
      const found = container.ports?.find(({ name, containerPort }) => name === port || containerPort === port);
      if (!found) throw new Error(`${pod.name} has no port ${port}.`);
      return found.containerPort;
    };
    const probe = async ({ httpGet, exec }: IProbe = {}): Promise<Health> => {
      if (exec) {
        const [first] = container.ports ?? [];
        if (first && !(await isListening(localPort(pod, first.containerPort)))) return 'unreachable';
        return (await startProcess((exec.command ?? []).map(localise), {}).ended) === 0 ? 'healthy' : 'unhealthy';
      }
      if (!httpGet) throw new Error(`${pod.name} lacks a probe.`);
      const port = portOf(httpGet.port);
      return requestLikeKubelet(localPort(pod, port), { path: httpGet.path ?? '/', port });
    };
    const { startupProbe, readinessProbe } = container;
    for (;;) {
      const health = await probe(startupProbe ?? readinessProbe);
      if (health === 'healthy') break;
      if (hasEnded || health === 'unhealthy') throw new Error(`${pod.name} does not start:\n${child.output()}`);
      await delay(PROBE_EVERY_MS);
    }
    return { ...child, probe, urlOf: (port) => `http://127.0.0.1:${localPort(pod, portOf(port))}` };
  };

  return {
    start,
    close: async () => {
      for (const { process } of running) process.kill('SIGKILL');
      await Promise.all(running.map(({ ended }) => ended));
      rmSync(folder, { recursive: true });
    },
  };
};

/** Returns options by which Node writes nowhere but in writable volumes, as on a read-only root file system. */
const readOnlyOptions = (mounts: readonly { readonly path: string; readonly isWritable: boolean }[]): string => {
  const writable = mounts.filter(({ isWritable }) => isWritable).map(({ path }) => `--allow-fs-write=${path}`);
  return ['--permission', '--allow-fs-read=*', '--allow-worker', ...writable].join(' ');
};

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Sends the request of a probe, for the pod's address in the cluster. */
const requestLikeKubelet = (localPort: number, { path, port }: { readonly path: string; readonly port: number }) =>
  new Promise<Health>((resolve) => {
    const headers = {
      host: `10.244.1.17:${port}`,
      'user-agent': 'kube-probe/1.34',
      accept: '*/*',
      connection: 'close',
    };
    get({ host: '127.0.0.1', port: localPort, path, headers, agent: false }, ({ statusCode = 0 }) => {
      resolve(statusCode >= 200 && statusCode < 400 ? 'healthy' : 'unhealthy');
    })
      .once('response', (response) => response.resume())
      .once('error', () => resolve('unreachable'));
  });
