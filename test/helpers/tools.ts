import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

const works = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Path of the browser for the tests of pages. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** Path of Relay's compiler for this platform; null if there is none. */
export const RELAY_COMPILER: string | null = createRequire(import.meta.url)('relay-compiler');

/** Folder of Postgres's programs, which are not on the PATH on Debian; null if there is none. */
export const POSTGRES_BIN: string | null =
  [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...(existsSync('/usr/lib/postgresql')
      ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)
      : []),
  ].find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null;

/** RabbitMQ's own script. The one on Debian's PATH changes the user. */
export const RABBITMQ_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Checks for programs that some tests need and a machine may lack. */
export const TOOLS = {
  'redis-server': () => works('redis-server', ['--version']),
  'redis-server and openssl': () => works('redis-server', ['--version']) && works('openssl', ['version']),
  'postgres and initdb': () => POSTGRES_BIN !== null && works(join(POSTGRES_BIN, 'postgres'), ['--version']),
  'php with ext-soap': () => works('php', ['-r', 'exit(class_exists("SoapServer") ? 0 : 1);']),
  'python3 with zeep': () => works('/usr/bin/python3', ['-c', 'import zeep']),
  'nats-server': () => works('nats-server', ['--version']),
  'rabbitmq-server': () => existsSync(RABBITMQ_SERVER) && works('erl', ['-version']),
  'the servers of Kafka that KAFKA_BROKERS names': () => Boolean(process.env['KAFKA_BROKERS']),
  git: () => works('git', ['--version']),
  openssl: () => works('openssl', ['version']),
  'nginx and openssl': () => works('nginx', ['-v']) && works('openssl', ['version']),
  kubectl: () => works('kubectl', ['kustomize', '--help']),
  'kubectl and openssl': () => works('kubectl', ['kustomize', '--help']) && works('openssl', ['version']),
  'prometheus and promtool': () => works('prometheus', ['--version']) && works('promtool', ['--version']),
  promtool: () => works('promtool', ['--version']),
  chromium: () => CHROMIUM !== undefined,
  // Its package contains binaries for Linux, macOS and Windows on the usual processors.
  'relay-compiler': () => RELAY_COMPILER !== null && works(RELAY_COMPILER, ['--version']),
} as const;

export const hasTool = (name: keyof typeof TOOLS): boolean => TOOLS[name]();
