import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { freePort, ROOT, type Spawned, startProcess } from './processes.ts';
import { type Ask, createAsk } from './stack.ts';
import { hasTool } from './tools.ts';

/*
 * The containers of docker-compose.yml without a container engine: its commands and environments as processes of this
 * machine, in its order and by its health checks. Only names of hosts and ports are put into terms of one machine.
 */

/** The variables of who runs `docker compose`. */
export type Host = Readonly<Record<string, string>>;

const Service = z.object({
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  ports: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.literal('service_healthy') })).default({}),
  healthcheck: z.object({ test: z.tuple([z.literal('CMD')]).rest(z.string()) }),
});
const Compose = z.object({ services: z.record(z.string(), Service) });

export const { services } = Compose.parse(
  parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }),
);

// What the image gives to every container.
const imageEnvironment = Object.fromEntries(
  [...readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/^ENV (.+)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map((assignment) => assignment.split('=') as [string, string]),
  ),
);

/** `${NAME:-default}` as Compose reads it: the default stands for what is empty, too. */
export const interpolate = (text: string, host: Host): string =>
  text.replaceAll(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, other: string) => host[name] || other);

/** What the file gives to a service. A name without a value has the host's, and is not there where the host has none. */
export const environmentOf = (service: string, host: Host): Record<string, string> => {
  const entries = Object.entries(services[service]?.environment ?? {}).flatMap(([name, value]) => {
    const given = value === null ? host[name] : interpolate(value, host);
    return given === undefined ? [] : [[name, given] as const];
  });
  return Object.fromEntries(entries);
};

export type Containers = {
  /** Starts a service and those that it waits for, unless they run, and waits until it is healthy. */
  readonly up: (service: string, host?: Host) => Promise<Spawned>;
  readonly down: (service: string) => Promise<void>;
  /** Asks the gateway. */
  readonly ask: Ask;
  /** Asks a subgraph itself. */
  readonly askSubgraph: (name: string, ...given: Parameters<Ask>) => ReturnType<Ask>;
  readonly close: () => Promise<void>;
};

export const createContainers = async (): Promise<Containers> => {
  const running = new Map<string, Spawned>();
  const ports = new Map<string, number>();
  for (const name of Object.keys(services)) ports.set(name, await freePort());

  /** `//service:port` and ports as they are on this machine. */
  const localise = (service: string, text: string): string => {
    let local = text.replace('0.0.0.0', '127.0.0.1');
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
    if (!service) throw new Error(`There is no service ${name}.`);
    const found = running.get(name);
    if (found) return found;
    for (const dependency of Object.keys(service.depends_on)) {
      if (dependency !== 'redis' || hasTool('redis-server')) await up(dependency, host);
    }
    const env = Object.entries({ ...imageEnvironment, ...environmentOf(name, host) }).map(([key, value]) => [
      key,
      localise(name, value),
    ]);
    const command = name === 'redis' ? [...service.command, '--port', String(ports.get(name))] : service.command;
    const started = startProcess(command, Object.fromEntries(env));
    running.set(name, started);
    let hasEnded = false;
    void started.ended.then(() => {
      hasEnded = true;
    });
    while (!(await isHealthy(name))) {
      if (hasEnded) throw new Error(`${name} has ended:\n${started.output()}`);
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
    askSubgraph: (name, ...given) => createAsk(`http://127.0.0.1:${ports.get(name)}/${name}`)(...given),
    close: async () => {
      // The gateway first, as it was started last.
      for (const name of [...running.keys()].reverse()) await down(name);
    },
  };
};
