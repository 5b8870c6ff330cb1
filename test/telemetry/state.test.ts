import { expect, onTestFinished, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import { byKey, operation } from '../../connectors/reads/read.ts';
import { address, readSettings, secret, url } from '../../connectors/settings.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* The state of a provider with several credentials, as metrics and the status page read it. */

const notes = defineProvider({
  name: 'notes',
  title: 'Notes',
  envPrefix: 'NOTES',
  settings: { TOKEN: secret(url(), ''), BASE_URL: address(url(), '') },
  identity: ({ BASE_URL, TOKEN }) => [BASE_URL, TOKEN],
  defaults: { timeoutMs: 5_000, concurrency: 3 },
  rateLimits: [
    { name: 'account', calls: 4, windowMs: 60_000 },
    { name: 'daily', calls: 100, windowMs: 600_000 },
  ],
  cachePolicies: { notes: { maxAge: 0, staleWhileRevalidate: 0, staleIfError: 0 } },
  transport: http(),
  api: ({ send }, { BASE_URL, TOKEN }) => ({
    notes: operation(
      'GET /notes',
      (name) =>
        async (keys: readonly string[], options: RequestOptions): Promise<ReadonlyMap<string, string>> => {
          await send({
            ...options,
            operation: name,
            method: 'GET',
            url: `${BASE_URL}/notes`,
            headers: { authorization: TOKEN },
            write: false,
          });
          return new Map(keys.map((key) => [key, key]));
        },
    ),
  }),
  reads: (api) => ({ note: byKey(api.notes, { batchSize: 1, policy: 'notes' }) }),
});

const [ADA, BEN] = ['https://ada.example', 'https://ben.example'];
const as = (token: string): RequestOptions => ({ credentials: new Map([['notes', { TOKEN: token }]]) });

test('credentials count together, the quota is that of the one that has used most, and a closed provider has no state', async () => {
  let gate: PromiseWithResolvers<void> | undefined;
  const server = await startHttpServer(async (_request, response) => {
    await gate?.promise;
    response.end('{}');
  });
  onTestFinished(server.close);
  const telemetry = createTelemetry();
  const infrastructure = createInfrastructure({ cacheBytes: 1024, telemetry });
  const settings = readSettings(notes, { NOTES_TOKEN: ADA, NOTES_BASE_URL: server.url });
  const provider = createProvider(infrastructure, notes, { subgraph: 'notes', settings });
  const load = (options: RequestOptions, ...keys: string[]) =>
    provider.connect(options).readers.note.load(keys, options);

  expect(telemetry.state().providers).toEqual([
    {
      subgraph: 'notes',
      credentials: 1,
      queued: 0,
      running: 0,
      concurrency: 3,
      limits: [],
      breakers: [],
      retryBudget: 10,
      connections: { busy: 0, limit: 3 },
    },
  ]);
  await load({}, 'a');
  await load(as(BEN), 'a', 'b');
  const limits = () => telemetry.state().providers[0]?.limits;
  expect(telemetry.state().providers).toMatchObject([{ credentials: 2, running: 0, concurrency: 6 }]);
  expect(limits()).toEqual([
    { name: 'account', used: 2, limit: 4, windowMs: 60_000, pausedMs: 0 },
    { name: 'daily', used: 2, limit: 100, windowMs: 600_000, pausedMs: 0 },
  ]);

  gate = Promise.withResolvers();
  const loading = [load({}, 'c'), load(as(BEN), 'c')];
  await expect
    .poll(() => telemetry.state().providers[0])
    .toMatchObject({ running: 2, connections: { busy: 2, limit: 6 } });
  gate.resolve();
  await Promise.all(loading);
  expect(telemetry.state().providers).toMatchObject([{ running: 0, connections: { busy: 0 } }]);

  await provider.close();
  expect(telemetry.state().providers).toEqual([]);
});

test('a new source of a part replaces the one before, and only the current one can be removed', () => {
  const telemetry = createTelemetry();
  const remove = telemetry.describe('planCache', () => ({ entries: 1, bytes: 1 }));
  const removeNext = telemetry.describe('planCache', () => ({ entries: 2, bytes: 2 }));
  remove();
  expect(telemetry.state().planCache).toEqual({ entries: 2, bytes: 2 });
  removeNext();
  expect(telemetry.state().planCache).toBeUndefined();
});
