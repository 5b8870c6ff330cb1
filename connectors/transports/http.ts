import { Agent } from 'undici';
import { type CallStats, createCallStats, withCallStats } from '../call-stats.ts';
import { chain, type Handler, type Middleware, type ProviderResponse } from '../middleware/chain.ts';
import { withStatusErrors } from '../middleware/status.ts';
import { withUnknownOutcome } from '../middleware/unknown-outcome.ts';
import { createWire } from './wire.ts';

export type HttpConnectorOptions = {
  /** The name that errors and logs give the provider, e.g. `payments`. */
  readonly upstream: string;
  /** How long one call may take, in milliseconds, from the request to the answer's last byte. */
  readonly timeoutMs: number;
  /** The largest answer that is read. Default 8 MiB: the sandbox's page of 100 payments, the largest there is, has 250 kB. */
  readonly maxResponseBytes?: number;
  /** Connections to one origin at most; further calls wait for one. Default 32. */
  readonly connections?: number;
  /** Tells the provider's regular answers from failures. Default: status 200 to 299. */
  readonly isSuccess?: (response: ProviderResponse) => boolean;
  /** Where its calls are counted. */
  readonly callStats?: CallStats;
  /** What stands before each call, the outermost first. */
  readonly middleware?: readonly Middleware[];
};

export type HttpConnector = {
  readonly upstream: string;
  readonly send: Handler;
  /** Lets running calls finish, then closes the connections. */
  readonly close: () => Promise<void>;
};

const CONNECTION_LIFE_MS = 60_000;

/** The way to one provider over HTTP: the chain of links in front of a connection pool. */
export const createHttpConnector = ({
  upstream,
  timeoutMs,
  maxResponseBytes = 8 * 1024 * 1024,
  connections = 32,
  isSuccess,
  callStats = createCallStats(),
  middleware = [],
}: HttpConnectorOptions): HttpConnector => {
  // Half of the time for connecting, so that a call which cannot have arrived is told from one that may have.
  // A name is looked up when a connection is opened: one that lives on would go to where the name once pointed.
  const agent = new Agent({ connections, clientTtl: CONNECTION_LIFE_MS, connect: { timeout: timeoutMs / 2 } });
  const send = chain(
    [withUnknownOutcome, ...middleware, withCallStats(upstream, callStats), withStatusErrors(upstream, isSuccess)],
    createWire({ upstream, agent, maxResponseBytes, timeoutMs }),
  );
  return { upstream, send, close: () => agent.close() };
};
