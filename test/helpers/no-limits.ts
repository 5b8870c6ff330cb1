/** Variables of a gateway without limits on responses, for generated operations. */
export const NO_ANSWER_LIMITS = {
  MAX_ESTIMATED_OBJECTS: '1000000000000',
  MAX_ESTIMATED_VALUES: '1000000000000',
  MAX_ANSWER_VALUES: '1000000000',
  // Some plans take seconds, and a busy machine takes its time.
  PLANNING_TIMEOUT_MS: '60000',
  REQUEST_TIMEOUT_MS: '120000',
};
