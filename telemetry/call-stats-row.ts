/** The call statistics of one provider operation. All figures are sums. */
export type CallStatsRow = {
  readonly subgraph: string;
  readonly operation: string;
  /** Requests sent to the provider, retries included. */
  calls: number;
  /** Of `calls`, the retries. */
  retries: number;
  /** Of `calls`, the failed ones. */
  failures: number;
  /** Keys requested from the provider. */
  keys: number;
  /** Keys served fresh from the cache. */
  hits: number;
  /** Keys served stale from the cache. */
  stale: number;
  /** Keys that the cache had no usable value for. */
  misses: number;
  /** Time spent queued for a rate limit or the concurrency limit, in milliseconds. */
  waitMs: number;
  /** Time from sending a request to the last byte of its response, in milliseconds. */
  timeMs: number;
  bytesSent: number;
  bytesReceived: number;
};
