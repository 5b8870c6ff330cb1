import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { freePort, ROOT, type Spawned, startProcess } from './processes.ts';
import { claimsFor, sign } from './signed-request.ts';
import { type Ask, createAsk } from './stack.ts';
import { hasTool } from './tools.ts';

/*
 * Runs docker-compose.yml without a container engine: its services as local processes, with its commands, environments,
 * dependencies and health checks. Only host names and ports are translated.
 */

/** The environment in which `docker compose` runs. */
export type Host = Readonly<Record<string, string>>;

const Service = z.object({
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  profiles: z.array(z.string()).default([]),
  image: z.string(),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.literal('service_healthy') })).default({}),
  healthcheck: z.object({ test: z.tuple([z.literal('CMD')]).rest(z.string()) }),
});
const Compose = z.object({ services: z.record(z.string(), Service) });

export const { services } = Compose.parse(
  parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }),
);

/** The environment of the image, which every container has. */
export const imageEnvironment: Readonly<Record<string, string>> = Object.fromEntries(
  [...readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/^ENV (.+)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map((assignment) => assignment.split('=') as [string, string]),
  ),
);

/** Interpolates `${NAME:-default}` like Compose: the default also replaces an empty value. */
export const interpolate = (text: string, host: Host): string =>
  text.replaceAll(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, other: string) => host[name] || other);

/** Returns a service's environment. A name without a value is copied from the host, and omitted if not set there. */
export const environmentOf = (service: string, host: Host): Record<string, string> => {
  const entries = Object.entries(services[service]?.environment ?? {}).flatMap(([name, value]) => {
    const given = value === null ? host[name] : interpolate(value, host);
    return given === undefined ? [] : [[name, given] as const];
  });
  return Object.fromEntries(entries);
};

export type Containers = {
  /** Starts a service and its dependencies unless they are running, and waits until it is healthy. */
  readonly up: (service: string, host?: Host) => Promise<Spawned>;
  readonly down: (service: string) => Promise<void>;
  /** Sends a GraphQL request to the gateway. */
  readonly ask: Ask;
  /** Sends a GraphQL request directly to a subgraph. */
  readonly askSubgraph: (name: string, ...given: Parameters<Ask>) => ReturnType<Ask>;
  readonly close: () => Promise<void>;
};

export const createContainers = async (): Promise<Containers> => {
  const running = new Map<string, Spawned>();
  const ports = new Map<string, number>();
  for (const name of Object.keys(services)) ports.set(name, await freePort());

  /** Replaces `//service:port` and ports by those on this machine. */
  const localise = (service: string, text: string): string => {
    let local = text === '0.0.0.0' ? '127.0.0.1' : text;
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

  const up = async (name: string, host: Host = {}): Promise<Spawned> => {
    const service = services[name];
    if (!service) throw new Error(`docker-compose.yml has no service ${name}.`);
    const found = running.get(name);
    if (found) return found;
    for (const dependency of Object.keys(service.depends_on)) {
      if (dependency !== 'redis' || hasTool('redis-server')) await up(dependency, host);
    }
    const env = Object.entries({ ...imageEnvironment, ...environmentOf(name, host) }).map(([key, value]) => [
      key,
      // The same port in each container. On one machine, each process takes a free one.
      key === 'ADMIN_PORT' ? '0' : localise(name, value),
    ]);
    const command = name === 'redis' ? [...service.command, '--port', String(ports.get(name))] : service.command;
    const started = startProcess(command, Object.fromEntries(env));
    running.set(name, started);
    let hasEnded = false;
    void started.ended.then(() => {
      hasEnded = true;
    });
    while (!(await isHealthy(name))) {
      if (hasEnded) throw new Error(`${name} exited:\n${started.output()}`);
    }
    return started;
  };

  const down = async (name: string): Promise<void> => {
    await running.get(name)?.stop();
    running.delete(name);
  };

  return {
    up,
    down,
    ask: createAsk(`http://127.0.0.1:${ports.get('gateway')}/graphql`),
    askSubgraph: (name, query, variables = {}) => {
      const token = sign(
        claimsFor(JSON.stringify({ query, variables }), { aud: name }),
        environmentOf(name, {})['SUBGRAPH_SECRET'] ?? '',
      );
      return createAsk(`http://127.0.0.1:${ports.get(name)}/${name}`)(query, variables, {
        headers: { 'x-tributary-identity': token },
      });
    },
    close: async () => {
      // In reverse order of start: the gateway first.
      for (const name of [...running.keys()].reverse()) await down(name);
    },
  };
};
