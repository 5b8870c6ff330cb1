import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseBrokerUrl } from '../../events/brokers/broker-url.ts';
import { startGateway } from '../../gateway/start.ts';
import { hasBroker, startBroker } from '../helpers/brokers.ts';

/* The variables of message brokers. */

const start = (env: Record<string, string>) => startGateway({ PORT: '0', LOG_LEVEL: 'silent', ...env });

test.each([
  [{ BROKER_URL: 'http://secret@host' }, 'BROKER_URL: must be a URL of Redis, NATS, RabbitMQ or Kafka'],
  [{ BROKER_URL: 'redis://host', BROKER_TOPIC: 'a b' }, 'BROKER_TOPIC: must be words joined by dots'],
  [{ BROKER_URL: 'redis://host', BROKER_EVENTS: 'none' }, 'BROKER_EVENTS: must be one of out, in, both'],
  [{ BROKER_URL: 'redis://host', SUPERGRAPH: 'any.graphql' }, 'BROKER_URL: must not be set with SUPERGRAPH'],
  [
    { BROKER_URL: 'redis://host', BROKER_EVENTS: 'in', CRM_URL: 'http://127.0.0.1:9', EVENTS_FILE: ':memory:' },
    'BROKER_EVENTS: needs EVENTS_URL with CRM_URL',
  ],
])('%j is refused at the start', async (env, message) => {
  const error = await start(env).then(
    (gateway) => gateway.close(),
    (reason: Error) => reason,
  );
  expect(error).toMatchObject({ name: 'ConfigError', message: expect.stringContaining(message) });
  expect(String(error)).not.toContain('secret');
});

test('URLs have the hosts and credentials of each system', () => {
  const parse = (text: string) => {
    const { system, hosts, user, password } = parseBrokerUrl(text) ?? {};
    return [system, hosts, user, password];
  };
  expect(parse('rediss://me:p%40ss@host:6380/1')).toEqual(['redis', ['host:6380'], 'me', 'p@ss']);
  expect(parse('nats://token@one:4222,two:4223')).toEqual(['nats', ['one:4222', 'two:4223'], 'token', undefined]);
  expect(parse('amqps://me:pass@host/vhost')).toEqual(['rabbitmq', ['host'], 'me', 'pass']);
  expect(parse('kafkas://one:9092,[::1]:9093')).toEqual(['kafka', ['one:9092', '[::1]:9093'], undefined, undefined]);
  for (const text of [
    'amqp://one,two',
    'kafka://',
    'nats://%zz@host',
    'http://host',
    'kafka://host:port',
    'constructor:',
  ]) {
    expect(parseBrokerUrl(text)).toBe(undefined);
  }
});

test.skipIf(!hasBroker('redis'))('a gateway starts without its broker, and takes a new URL from the file', async () => {
  const server = await startBroker('redis');
  onTestFinished(server.close);
  const folder = mkdtempSync(join(tmpdir(), 'broker-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'url');
  // Nothing listens there.
  writeFileSync(file, 'nats://127.0.0.1:9');
  const gateway = await start({ BROKER_URL_FILE: file, EVENTS_FILE: join(folder, 'events.sqlite'), ADMIN_PORT: '0' });
  onTestFinished(gateway.close);
  const isUp = async () =>
    /^tributary_broker_up (\d)$/m.exec(await (await fetch(`${gateway.adminUrl}/metrics`)).text())?.[1];
  expect(gateway.health()).toMatchObject({ status: 'ok', broker: 'down' });
  expect(await isUp()).toBe('0');
  writeFileSync(file, server.url);
  await expect.poll(gateway.health).toMatchObject({ status: 'ok', broker: 'ok' });
  expect(await isUp()).toBe('1');
});
