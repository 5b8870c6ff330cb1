import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { monotonicNow } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { createCallStats } from '../telemetry/call-stats.ts';
import type { BatchEvent, TelemetryEvent } from '../telemetry/events.ts';
import { createRequestLog } from '../telemetry/request-log.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import type { TracesConfig } from '../telemetry/traces/config.ts';
import { startTracing } from '../telemetry/traces/tracing.ts';

/*
 * Measures the CPU time of tracing or logging one request, without the request: the events of an operation with three fetches, eight reads
 * of the cache, one batch and one provider request, announced as a gateway does. The lowest of many rounds counts, so that the
 * result holds on a busy machine, too.
 */

const ROUNDS = 40;
const REQUESTS = 2_000;

const operation = { subgraph: 'crm', operation: 'POST /crm/objects/2026-09/contacts/batch/read' } as const;

/** Returns the events of one request, the last of which is that of its operation. */
const createEvents = (): TelemetryEvent[] => {
  const startedAt = monotonicNow();
  const times = { startedAt, durationMs: 1 };
  const batch: BatchEvent = { type: 'batch', ...operation, keys: 3, batchSize: 100, startedAt };
  return [
    ...Array.from(
      { length: 8 },
      () => ({ type: 'cache.read', ...operation, hits: 3, stale: 0, misses: 0, oldestMs: 0 }) as const,
    ),
    batch,
    { type: 'provider.permit', ...operation, batch, isBackground: false, waitedMs: 2 },
    {
      type: 'provider.request',
      ...operation,
      ...times,
      batch,
      method: 'POST',
      host: 'api.example',
      isWrite: false,
      isRepeat: false,
      isBackground: false,
      status: 200,
      code: undefined,
      bytesSent: 100,
      bytesReceived: 1_000,
    },
    ...['crm', 'payments', 'inventory'].map(
      (subgraph) =>
        ({
          type: 'fetch',
          ...times,
          subgraph,
          query: '',
          isRemote: false,
          spanId: undefined,
          entities: 1,
          errors: 0,
          codes: [],
          isAborted: false,
        }) as const,
    ),
    {
      type: 'operation',
      ...times,
      operationName: 'CustomerOverview',
      kind: 'query',
      hash: 'a'.repeat(64),
      traceId: undefined,
      client: { name: 'anonymous', network: '127.0.0.1' },
      outcome: 'ok',
      codes: [],
      stale: 0,
      calls: new Map(),
      callStats: [],
    },
  ];
};

const collector = createServer((request, response) => {
  request.resume().once('end', () => response.end('{}'));
}).listen(0, '127.0.0.1');
await new Promise((resolve) => collector.once('listening', resolve));
const base = {
  url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`,
  headers: () => ({}),
  watch: () => () => {},
  resource: { 'service.name': 'bench' },
  slowMs: 60_000,
};

const VARIANTS: Readonly<Record<string, Pick<TracesConfig, 'sampler' | 'ratio'> | 'request log' | undefined>> = {
  off: undefined,
  'off, with the request log': 'request log',
  'kept, and not exported': { sampler: 'always_off', ratio: 0 },
  'exported, 1 %': { sampler: 'traceidratio', ratio: 0.01 },
  'exported, 100 %': { sampler: 'always_on', ratio: 1 },
};

const log = createLog('silent');

/** Returns a function that announces the events of some requests, one after the other. */
const createVariant = (config: (typeof VARIANTS)[string]) => {
  const telemetry = createTelemetry();
  if (config === 'request log')
    telemetry.listen(createRequestLog({ share: 1, slowMs: 60_000, log: createLog('info') }));
  const tracing = config && config !== 'request log' && startTracing({ ...base, ...config }, { telemetry, log });
  return async (): Promise<number> => {
    const before = process.cpuUsage();
    for (let count = 0; count < REQUESTS; count += 1) {
      const response = Object.assign(new EventEmitter(), { statusCode: 200, writableFinished: true });
      const request = {
        headers: {},
        method: 'POST',
        route: '/graphql',
        scheme: 'http',
        startedAt: monotonicNow(),
      } as const;
      const trace = tracing ? tracing.begin(request) : undefined;
      trace?.follow(response);
      const requests = new Set([createCallStats({ listeners: trace && [trace] })]);
      for (const event of createEvents()) telemetry.emit(event, requests);
      response.emit('close');
      // Spans are sent meanwhile, as between the requests of a gateway.
      if (count % 50 === 0) await new Promise(setImmediate);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / REQUESTS;
  };
};

const { values } = parseArgs({ options: { variant: { type: 'string' } } });
if (values.variant === undefined) {
  // Each in a process of its own: the spans of one would be sent while another is measured.
  console.log(`| traces | lowest of ${ROUNDS} rounds, µs per request | mean |\n|---|---|---|`);
  for (const variant of Object.keys(VARIANTS)) {
    // The request log is written to standard output.
    spawnSync(process.execPath, [import.meta.filename, '--variant', variant], { stdio: ['ignore', 'ignore', 1] });
  }
} else {
  const run = createVariant(VARIANTS[values.variant]);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await run());
  const mean = rounds.reduce((sum, one) => sum + one, 0) / ROUNDS;
  console.error(`| ${values.variant} | ${Math.min(...rounds).toFixed(1)} | ${mean.toFixed(1)} |`);
}
process.exit(0);
