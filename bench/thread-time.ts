import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/*
 * Loaded into a gateway with `--import`: sends its parent the time that the main thread ran between the arrival of each measured
 * request and its response, for this request and for others. Unlike latency, it does not depend on what else the machine does.
 */

/** The header of a request that is measured. */
export const MEASURED_HEADER = 'x-measured';

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

const starts = new WeakMap<object, number>();
subscribe('http.server.request.start', (message) => {
  const { request } = message as { request: IncomingMessage };
  if (request.headers[MEASURED_HEADER] !== undefined) starts.set(request, threadMs());
});
subscribe('http.server.response.finish', (message) => {
  const startedAt = starts.get((message as { request: IncomingMessage }).request);
  if (startedAt !== undefined) process.send?.({ threadMs: threadMs() - startedAt });
});
