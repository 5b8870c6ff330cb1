import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import product from '../package.json' with { type: 'json' };
import type { NodeState } from './state.ts';

/** Interval at which the event loop's delay is sampled, in milliseconds. The samples include it. */
const RESOLUTION_MS = 20;

/** The time over which percentiles are taken, in milliseconds. */
const WINDOW_MS = 10_000;

/** Watches the Node.js process. `state` has the event loop of the last full window; before that, of the time since the start. */
export const watchNode = (): { readonly state: () => NodeState; readonly close: () => void } => {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let since: EventLoopUtilization = performance.eventLoopUtilization();
  let last: NodeState['eventLoop'] | undefined;

  const delayS = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1_000);

  const readEventLoop = (): NodeState['eventLoop'] => ({
    delayP50S: delayS(delays.percentile(50)),
    delayP99S: delayS(delays.percentile(99)),
    delayMaxS: delayS(delays.max),
    utilization: performance.eventLoopUtilization(since).utilization,
  });

  const timer = setInterval(() => {
    last = readEventLoop();
    delays.reset();
    since = performance.eventLoopUtilization();
  }, WINDOW_MS).unref();

  return {
    state: () => {
      const { user, system } = process.cpuUsage();
      const { rss, heapUsed } = process.memoryUsage();
      return {
        version: product.version,
        uptimeS: process.uptime(),
        cpuS: (user + system) / 1e6,
        eventLoop: last ?? readEventLoop(),
        memory: {
          rssBytes: rss,
          heapUsedBytes: heapUsed,
          heapLimitBytes: getHeapStatistics().heap_size_limit,
        },
      };
    },
    close: () => {
      clearInterval(timer);
      delays.disable();
    },
  };
};
