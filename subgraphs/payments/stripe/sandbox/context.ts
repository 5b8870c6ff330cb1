import type { Random } from '../../../../sandbox/random.ts';
import type { Params } from './params.ts';
import type { StripeState } from './state.ts';

/** What a call is answered with. */
export type Context = {
  readonly state: StripeState;
  readonly params: Params;
  readonly random: Random;
  readonly now: () => number;
  /** How long a new object stays out of the search index, in milliseconds. */
  readonly searchLagMs: number;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
};
