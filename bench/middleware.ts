import { chain, type Middleware, type ProviderRequest, type ProviderResponse } from '../connectors/middleware/chain.ts';
import { withBreaker } from '../connectors/middleware/circuit-breaker.ts';
import { createRateLimits, withRateLimit } from '../connectors/middleware/rate-limit.ts';
import { createRetryBudget, withRetry } from '../connectors/middleware/retry.ts';
import { withStatusErrors } from '../connectors/middleware/status.ts';
import { withTelemetry } from '../connectors/middleware/telemetry.ts';
import { withUnknownOutcome } from '../connectors/middleware/unknown-outcome.ts';
import { createMemoryRateLimiter } from '../connectors/rate-limits/memory.ts';
import { createRequestScheduler } from '../connectors/rate-limits/scheduler.ts';
import { createMonotonicClock } from '../connectors/reads/batcher.ts';
import { createCache } from '../connectors/reads/cache.ts';
import { byKey, operation } from '../connectors/reads/read.ts';
import { createReader } from '../connectors/reads/reader.ts';
import { createMemoryStore } from '../connectors/reads/store.ts';
import { monotonicNow } from '../runtime/clock.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';

/*
 * Measures the overhead of the middleware of a successful provider request: medians of alternating rounds, over a transport that
 * responds immediately. Each row has one middleware more than the row above it.
 */

const ROUNDS = 7;
const REQUESTS = 20_000;
const CONCURRENCY = 20;

const subgraph = 'bench';
const telemetry = createTelemetry();
const rateLimiter = createMemoryRateLimiter();
const limits = createRateLimits(
  [
    { name: 'account', calls: 1e9, windowMs: 1_000 },
    { name: 'endpoint', calls: 1e9, windowMs: 1_000, isPerOperation: true },
  ],
  { subgraph, credentialId: 'a' },
);
const scheduler = createRequestScheduler({
  subgraph,
  rateLimiter,
  windowsOf: limits.windowsOf,
  concurrency: 100,
  telemetry,
});

const MIDDLEWARE: readonly (readonly [name: string, middleware: Middleware])[] = [
  ['statuses', withStatusErrors(subgraph)],
  ['telemetry', withTelemetry(subgraph, telemetry)],
  ['circuit breaker', withBreaker(subgraph, telemetry)],
  ['rate limit and scheduler', withRateLimit({ subgraph, scheduler, rateLimiter, limits, telemetry })],
  ['retry', withRetry({ subgraph, budget: createRetryBudget(), telemetry })],
  ['unknown outcome', withUnknownOutcome],
];

const RESPONSE: ProviderResponse = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{"results":[]}',
};
const REQUEST: ProviderRequest = {
  operation: 'POST /things/batch/read',
  method: 'POST',
  url: 'https://api.example/things/batch/read',
  headers: { authorization: 'Bearer x', accept: 'application/json' },
  body: '{}',
  write: false,
  signal: new AbortController().signal,
  priority: { deadlineAt: Number.POSITIVE_INFINITY, isBackground: false, flow: {} },
};
// Like a network, responds in another turn of the event loop.
const wire = () => new Promise<ProviderResponse>((resolve) => setImmediate(resolve, RESPONSE));

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;

type Work = () => Promise<unknown>;

/** Returns the CPU time of one run of `work` with concurrent runs, in microseconds. */
const cpuOf = async (work: Work): Promise<number> => {
  const before = process.cpuUsage();
  for (let done = 0; done < REQUESTS; done += CONCURRENCY) await Promise.all(Array.from({ length: CONCURRENCY }, work));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / REQUESTS;
};

/** Returns the duration of one run of `work` without concurrent runs, in microseconds. */
const timeOf = async (work: Work): Promise<number> => {
  const calls = REQUESTS / CONCURRENCY;
  const before = performance.now();
  for (let done = 0; done < calls; done += 1) await work();
  return ((performance.now() - before) * 1_000) / calls;
};

/** Returns the medians of alternating rounds. */
const measure = async (works: readonly Work[], by: (work: Work) => Promise<number>): Promise<number[]> => {
  const rounds = works.map((): number[] => []);
  for (const work of works) await by(work);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, work] of works.entries()) rounds[index]?.push(await by(work));
  }
  return rounds.map(median);
};

const sends = Array.from({ length: MIDDLEWARE.length + 1 }, (_, count) =>
  chain(
    MIDDLEWARE.slice(0, count)
      .map(([, middleware]) => middleware)
      .reverse(),
    wire,
  ),
);
const works = sends.map((send) => () => send(REQUEST));
const costs = await measure(works, cpuOf);
const times = await measure(works, timeOf);
const added = (of: readonly number[]): string => ((of.at(-1) ?? 0) - (of[0] ?? 0)).toFixed(1);

console.log(
  `One request, in microseconds, medians of ${ROUNDS} rounds: CPU with ${CONCURRENCY} concurrent requests, time with one:\n`,
);
console.table(
  costs.map((cost, index) => ({
    'with all above and': MIDDLEWARE[index - 1]?.[0] ?? 'a transport that responds immediately',
    CPU: cost.toFixed(1),
    'CPU of this one': (index === 0 ? 0 : cost - (costs[index - 1] ?? 0)).toFixed(1),
    time: (times[index] ?? 0).toFixed(1),
  })),
);
console.log(`The whole chain: ${added(costs)} µs of CPU and ${added(times)} µs of time per request.\n`);

const timestamp = createMonotonicClock(monotonicNow);
const cachePolicy = {
  maxAgeMs: 3_600_000,
  staleWhileRevalidateMs: 3_600_000,
  staleIfErrorMs: 3_600_000,
  negativeTtlMs: 1_000,
};
const cache = createCache({
  store: createMemoryStore({ maxBytes: 64 * 1024 * 1024 }),
  owner: 'bench:a',
  longestTtlMs: 3_600_000,
  timestamp,
});
const things = operation(
  'POST /things/batch/read',
  () => async (keys: readonly string[]) =>
    new Map(keys.map((key) => [key, { id: key, name: 'A thing', amount: '12.50' }])),
);
const reader = createReader(byKey(things, { batchSize: 100, policy: 'things' }), {
  name: 'things',
  subgraph,
  scheduler,
  cache,
  cachePolicy,
  timestamp,
  now: monotonicNow,
  telemetry,
});
const page = Array.from({ length: 50 }, (_, index) => String(index));
await reader.load(page, {});
const [one = 0, fifty = 0] = await measure([() => reader.load(['7'], {}), () => reader.load(page, {})], cpuOf);
console.log(
  `A fresh object from memory: ${one.toFixed(1)} µs alone, ${(fifty / page.length).toFixed(1)} µs each of 50.`,
);
