import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startHubSpotSandbox } from '../subgraphs/crm/hubspot/sandbox/index.ts';
import { freePort } from '../test/helpers/processes.ts';
import { sandboxEnvironment } from '../test/helpers/sandboxes.ts';
import { postHubSpot, WEBHOOKS } from '../test/helpers/webhooks.ts';

/*
 * `npm run bench:subscriptions`: subscribers of one topic over server-sent events, beside a server by hand that writes the text of the
 * webhook to every client: time from the provider's webhook to the clients, memory per subscriber, messages per second, and the
 * provider calls of an event. Server, clients and provider are processes of their own.
 *
 *   npm run bench:subscriptions -- --subscribers 1000,8000 --events 20
 */

const MAIN = import.meta.filename;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    subscribers: { type: 'string', default: '1000,8000' },
    events: { type: 'string', default: '20' },
    // Milliseconds between two events: longer than an event takes.
    pause: { type: 'string', default: '1000' },
  },
});

const QUERY = 'subscription { customerChanged { id firstName lastName phone company { name } } }';

const percentile = (numbers: readonly number[], share: number): number =>
  numbers.toSorted((one, other) => one - other)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))] ??
  Number.NaN;

const now = (): number => performance.timeOrigin + performance.now();

/** The role of the clients: opens streams, and reports when each message has arrived. */
const runClients = async (url: string, count: number): Promise<void> => {
  const { hostname, port } = new URL(url);
  const body = JSON.stringify({ query: QUERY });
  const request =
    `POST /graphql HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`;
  let arrivals: number[] = [];
  const openOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(request));
      socket.setEncoding('latin1');
      socket.once('error', reject);
      socket.on('data', (chunk: string) => {
        resolve();
        const messages = chunk.split('event: next').length - 1;
        for (let index = 0; index < messages; index++) arrivals.push(now());
      });
    });
  for (let opened = 0; opened < count; opened += 100) await Promise.all(Array.from({ length: 100 }, openOne));
  process.on('message', () => {
    process.send?.(arrivals);
    arrivals = [];
  });
  process.send?.('open');
};

/** The role of the server by hand. */
const runByHand = async (port: number): Promise<void> => {
  const clients = new Set<ServerResponse>();
  createServer(async (request, response) => {
    const body = await text(request);
    if (request.url !== '/graphql') {
      for (const client of clients) client.write(`event: next\ndata: ${body}\n\n`);
      return void response.end('{}');
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(':\n\n');
    clients.add(response);
    response.once('close', () => clients.delete(response));
  }).listen(port, '127.0.0.1', () => console.log('answers'));
};

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

const start = async (args: readonly string[], env: Readonly<Record<string, string>>): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [...args], {
    env: { PATH: process.env['PATH'], ENV_FILE: '/dev/null', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  await new Promise<void>((resolve) =>
    child.stdout?.on('data', (chunk) => {
      if (String(chunk).includes('answers')) resolve();
    }),
  );
  return child;
};

/** Resident memory of a process, in MiB. */
const memoryOf = ({ pid }: ChildProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const measure = async (name: string, child: ChildProcess, url: string, count: number, callsOf: () => number) => {
  const before = memoryOf(child);
  const clients = fork(MAIN, ['clients', url, String(count)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(clients);
  await new Promise((resolve) => clients.once('message', resolve));
  await delay(2_000);
  const opened = memoryOf(child);
  const firsts: number[] = [];
  const lasts: number[] = [];
  const rates: number[] = [];
  let calls = 0;
  for (let event = 1; event <= Number(values.events); event++) {
    const callsBefore = callsOf();
    const sentAt = now();
    await postHubSpot(url, [
      {
        eventId: Math.round(sentAt * 1000),
        subscriptionType: 'contact.propertyChange',
        objectId: 101,
        propertyName: 'phone',
        propertyValue: String(event),
        occurredAt: Math.round(sentAt),
      },
    ]);
    await delay(Number(values.pause));
    const arrivals = await new Promise<number[]>((resolve) => {
      clients.once('message', resolve);
      clients.send('report');
    });
    if (arrivals.length !== count) throw new Error(`${name}: ${arrivals.length} of ${count} messages. Raise --pause.`);
    const [first, last] = [arrivals[0] ?? 0, arrivals.at(-1) ?? 0];
    firsts.push(first - sentAt);
    lasts.push(last - sentAt);
    rates.push(count / Math.max(0.001, (last - first) / 1000));
    calls += callsOf() - callsBefore;
  }
  clients.kill('SIGKILL');
  children.delete(clients);
  const cells = [
    name,
    count.toLocaleString('en'),
    percentile(firsts, 0.5).toFixed(0),
    percentile(lasts, 0.5).toFixed(0),
    percentile(lasts, 0.99).toFixed(0),
    Math.round(percentile(rates, 0.5)).toLocaleString('en'),
    (((opened - before) * 1024) / count).toFixed(1),
    (calls / Number(values.events)).toFixed(2),
  ];
  console.log(`| ${cells.join(' | ')} |`);
};

const run = async (): Promise<void> => {
  const hubspot = await startHubSpotSandbox({
    quota: { account: { calls: 100_000, windowMs: 1 }, search: { calls: 100_000, windowMs: 1 } },
  });
  console.log(
    '| server | subscribers | first client, ms p50 | last client, ms p50 | last client, ms p99 | messages/s | KiB per subscriber | provider calls per event |\n|---|---|---|---|---|---|---|---|',
  );
  for (const count of values.subscribers.split(',').map(Number)) {
    const port = await freePort();
    const gateway = await start(['--max-semi-space-size=32', 'gateway/main.ts'], {
      PORT: String(port),
      LOG_LEVEL: 'warn',
      MAX_CONNECTIONS: '20000',
      MAX_SUBSCRIPTIONS: '20000',
      MAX_SUBSCRIPTIONS_PER_CLIENT: '20000',
      ...sandboxEnvironment('hubspot', hubspot),
      ...WEBHOOKS,
    });
    await measure('Tributary', gateway, `http://127.0.0.1:${port}`, count, () => hubspot.calls.length);
    gateway.kill('SIGKILL');
    const other = await freePort();
    const byHand = await start([MAIN, 'by-hand', String(other)], {});
    await measure('by hand', byHand, `http://127.0.0.1:${other}`, count, () => 0);
    byHand.kill('SIGKILL');
  }
  process.exit(0);
};

const [role, ...args] = positionals;
if (role === 'clients') await runClients(args[0] as string, Number(args[1]));
else if (role === 'by-hand') await runByHand(Number(args[0]));
else await run();
