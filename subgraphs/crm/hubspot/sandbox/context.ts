import type { HubSpotState } from './state.ts';

/** The state and options that request handlers use. */
export type Context = {
  readonly state: HubSpotState;
  readonly now: () => number;
  /** Maximum number of associations of one record in a response; further ones are on the next page. */
  readonly associationsPerPage: number;
};
