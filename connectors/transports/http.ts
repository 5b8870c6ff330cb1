import { Agent } from 'undici';
import type { ProviderState } from '../../telemetry/state.ts';
import { createTelemetry, type Telemetry } from '../../telemetry/telemetry.ts';
import { chain, type Middleware, type ProviderResponse, type Send } from '../middleware/chain.ts';
import { withStatusErrors } from '../middleware/status.ts';
import { withTelemetry } from '../middleware/telemetry.ts';
import { withUnknownOutcome } from '../middleware/unknown-outcome.ts';
import { createWire } from './wire.ts';

export type HttpConnectorOptions = {
  /** The name of the provider's subgraph in errors and logs, e.g. `payments`. */
  readonly subgraph: string;
  /**
   * Timeout of one request, in milliseconds, up to the last byte of the response. For a stream: up to its headers, and then up
   * to each further chunk.
   */
  readonly timeoutMs: number;
  /**
   * Maximum size of a response, also of a stream. Default 8 MiB: the sandbox's page of 100 payments, the largest there is, has
   * 250 kB.
   */
  readonly maxResponseBytes?: number;
  /** Maximum number of connections to one origin; further requests wait for one. */
  readonly connections: number;
  /** Whether a text response is a success. Default: status 200 to 299, as always for bytes and streams. */
  readonly isSuccess?: (response: ProviderResponse) => boolean;
  /** Middleware around each request, outermost first. */
  readonly middleware?: readonly Middleware[];
  /** Where provider requests are announced. Default: only to the client requests that they serve. */
  readonly telemetry?: Telemetry;
};

export type HttpConnector = {
  readonly subgraph: string;
  readonly send: Send;
  /** Returns the number of connections with a request, and their maximum. */
  readonly connections: () => ProviderState['connections'];
  /** Waits for running requests and streams to finish, then closes the connections. */
  readonly close: () => Promise<void>;
};

/** Maximum lifetime of a connection, in milliseconds. */
const CONNECTION_LIFE_MS = 60_000;

/** Creates a connector to one provider over HTTP: a middleware chain in front of a connection pool. */
export const createHttpConnector = ({
  subgraph,
  timeoutMs,
  maxResponseBytes = 8 * 1024 * 1024,
  connections,
  isSuccess,
  middleware = [],
  telemetry = createTelemetry(),
}: HttpConnectorOptions): HttpConnector => {
  // Connecting gets half of the timeout, which distinguishes requests that cannot have arrived from those that may have.
  // Connections have a limited lifetime because DNS is resolved only when they are opened.
  const agent = new Agent({ connections, clientTtl: CONNECTION_LIFE_MS, connect: { timeout: timeoutMs / 2 } });
  const send = chain(
    [withUnknownOutcome, ...middleware, withTelemetry(subgraph, telemetry), withStatusErrors(subgraph, isSuccess)],
    createWire({ subgraph, agent, maxResponseBytes, timeoutMs }),
    // The wire returns the body type that the request names, and no middleware changes it.
  ) as Send;
  return {
    subgraph,
    send,
    connections: () => {
      const pools = Object.values(agent.stats);
      return {
        busy: pools.reduce((sum, { running }) => sum + running, 0),
        // Nearly always one: a provider's requests go to one origin.
        limit: connections * Math.max(1, pools.length),
      };
    },
    close: () => agent.close(),
  };
};
