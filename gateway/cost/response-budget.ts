import { monotonicNow } from '../../runtime/clock.ts';
import { limitError } from '../../subgraphs/kit/limits/limit-error.ts';
import { timedOut } from '../../subgraphs/kit/limits/timed-out.ts';

/** What one answer may take while it is shaped. */
export type ResponseBudget = {
  /** Values until the next checkpoint. Whoever makes values subtracts them, and below zero calls `checkpoint`. */
  valuesLeft: number;
  /** Throws OPERATION_LIMIT_EXCEEDED for an answer of too many values, REQUEST_TIMEOUT when its time is up. */
  readonly checkpoint: () => void;
};

/** Values between two looks at the clock: about a millisecond's work. */
const VALUES_PER_CHECKPOINT = 10_000;

/** Time for the part of an answer that is there when the request's time is up, in milliseconds. */
const PARTIAL_RESPONSE_MS = 1_000;

/**
 * Creates the budget of one answer. Estimates cannot know how long a list is that states no length: this bounds the
 * answer by what it really has. `deadlineAt` is in milliseconds of the monotonic clock.
 */
export const createResponseBudget = (maxValues: number, deadlineAt = Number.POSITIVE_INFINITY): ResponseBudget => {
  const expiresAt = Math.max(deadlineAt, monotonicNow() + PARTIAL_RESPONSE_MS);
  let remaining = maxValues;
  const budget: ResponseBudget = {
    valuesLeft: 0,
    checkpoint: () => {
      if (remaining + budget.valuesLeft < 0) {
        throw limitError({
          what: 'values in its answer so far',
          value: maxValues - remaining - budget.valuesLeft,
          limit: maxValues,
          variable: 'MAX_ANSWER_VALUES',
        });
      }
      if (monotonicNow() > expiresAt) throw timedOut();
      const next = Math.min(VALUES_PER_CHECKPOINT, remaining + budget.valuesLeft);
      remaining += budget.valuesLeft - next;
      budget.valuesLeft = next;
    },
  };
  return budget;
};
