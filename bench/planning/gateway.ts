import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/*
 * A gateway that reports how long its event loop was blocked: `node gateway.ts <checkout> <supergraph>`. Sends its URL when it
 * is ready, and answers each message with the longest delay since the previous one, in milliseconds.
 */

const [, , root = '', supergraph = ''] = process.argv;

const RESOLUTION_MS = 1;

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const { startGateway } = await import(join(root, 'gateway/start.ts'));
const { url } = await startGateway({
  NODE_ENV: 'production',
  AUTH: 'none',
  LOG_LEVEL: 'error',
  SUPERGRAPH: supergraph,
  PORT: '0',
  REQUEST_TIMEOUT_MS: '120000',
  PLANNING_TIMEOUT_MS: '60000',
  MAX_ESTIMATED_OBJECTS: '10000000',
  MAX_ESTIMATED_VALUES: '10000000',
  CALL_REPORT: 'on',
});
delays.enable();
process.on('message', () => {
  process.send?.(Math.max(0, delays.max / 1e6 - RESOLUTION_MS));
  delays.reset();
});
process.once('disconnect', () => process.exit());
process.send?.(url);
