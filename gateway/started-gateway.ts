import type { Health } from '../runtime/http-app.ts';
import type { Metrics } from '../telemetry/metrics/metrics.ts';
import type { ProcessState } from '../telemetry/state.ts';
import type { GatewayConfig } from './config.ts';

/** A running gateway. */
export type StartedGateway = {
  readonly url: string;
  /** Where the admin endpoints are; undefined if they are off, or another process has them. */
  readonly adminUrl?: string | undefined;
  readonly config: GatewayConfig;
  /** The data source of each subgraph. */
  readonly sources: Readonly<Record<string, 'provider' | 'sandbox' | 'remote'>>;
  /** Returns the state in detail, for operators. */
  readonly health: () => Health;
  /** Returns the state of queues, quotas, caches and the process. */
  readonly state: () => ProcessState;
  /** Undefined if nobody can read them. */
  readonly metrics: Metrics | undefined;
  readonly close: () => Promise<void>;
};
