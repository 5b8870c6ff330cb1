import type { HubSpotState } from './state.ts';

/** What a call is answered with. */
export type Context = {
  readonly state: HubSpotState;
  readonly now: () => number;
  /** How many links of one record an answer holds before it is paged. */
  readonly linksPerAnswer: number;
};
