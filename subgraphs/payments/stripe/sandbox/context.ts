import type { Random } from '../../../../sandbox/random.ts';
import type { Params } from './params.ts';
import type { StripeState } from './state.ts';

/** The state and options that request handlers use. */
export type Context = {
  readonly state: StripeState;
  readonly params: Params;
  readonly random: Random;
  readonly now: () => number;
  /** Delay before a new object is in the search index, in milliseconds. */
  readonly searchLagMs: number;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
};
