import type { GatewayConfig } from './config.ts';

/** A running gateway. */
export type StartedGateway = {
  readonly url: string;
  readonly config: GatewayConfig;
  /** The data source of each subgraph. */
  readonly sources: Readonly<Record<string, 'provider' | 'sandbox' | 'remote'>>;
  readonly close: () => Promise<void>;
};
