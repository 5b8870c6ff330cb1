import type { Health } from '../runtime/http-app.ts';
import type { Metrics } from '../telemetry/metrics/metrics.ts';
import type { ProcessReport } from '../telemetry/status/describe.ts';
import type { GatewayConfig } from './config.ts';

/** A running gateway. */
export type StartedGateway = {
  readonly url: string;
  /** Where the admin endpoints are; undefined if they are off, or another process has them. */
  readonly adminUrl?: string | undefined;
  readonly config: GatewayConfig;
  /** The data source of each subgraph. */
  readonly sources: Readonly<Record<string, 'provider' | 'sandbox' | 'remote'>>;
  /** The URLs of the sandboxes in this process, by subgraph. */
  readonly sandboxUrls?: Readonly<Record<string, string>>;
  /** The URLs of the webhooks that are on, for the providers' settings. Not those of sandboxes. */
  readonly webhookUrls?: readonly string[] | undefined;
  /** Returns the state in detail, for operators. */
  readonly health: () => Health;
  /** Undefined if nobody can read them. */
  readonly metrics: Metrics | undefined;
  /** Reads what the status page shows of this process. Undefined if nobody can see it. */
  readonly report: (() => ProcessReport) | undefined;
  readonly close: () => Promise<void>;
};
