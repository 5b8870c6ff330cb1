import { join } from 'node:path';

/*
 * A gateway that reports how long its event loop was blocked: `node gateway.ts <checkout> <supergraph>`. Sends its URL when it
 * is ready, and answers each message with the longest stretch of the main thread since the previous one: its processor time in
 * milliseconds, which other processes on the machine do not lengthen.
 */

const [, , root = '', supergraph = ''] = process.argv;

const RESOLUTION_MS = 1;

const usedUs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};

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
let longestUs = 0;
let previousUs = usedUs();
setInterval(() => {
  const nowUs = usedUs();
  longestUs = Math.max(longestUs, nowUs - previousUs);
  previousUs = nowUs;
}, RESOLUTION_MS);
process.on('message', () => {
  process.send?.(longestUs / 1_000);
  longestUs = 0;
});
process.once('disconnect', () => process.exit());
process.send?.(url);
