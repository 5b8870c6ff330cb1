import { monotonicNow } from '../../runtime/clock.ts';
import { limitError } from '../../subgraphs/kit/limits/limit-error.ts';
import { timedOut } from '../../subgraphs/kit/limits/timed-out.ts';

/** Limits the values and the time of one response while it is shaped. */
export type ResponseBudget = {
  /** Values until the next checkpoint. Producers subtract from it, and call `checkpoint` when it is negative. */
  valuesLeft: number;
  /** Throws OPERATION_LIMIT_EXCEEDED if the response has too many values, REQUEST_TIMEOUT after the deadline. */
  readonly checkpoint: () => void;
  /** Allows the time of a partial response again, for a further part of it. */
  readonly renew: () => void;
};

/** Values between two checks of the clock: about one millisecond of work. */
const VALUES_PER_CHECKPOINT = 10_000;

/** Time to shape a partial response after the request's deadline, in milliseconds. */
const PARTIAL_RESPONSE_MS = 1_000;

/**
 * Creates the budget of one response. It bounds the actual size, because estimates only assume the length of lists that state
 * none. `deadlineAt` is in milliseconds of the monotonic clock.
 */
export const createResponseBudget = (maxValues: number, deadlineAt = Number.POSITIVE_INFINITY): ResponseBudget => {
  const expiry = () => Math.max(deadlineAt, monotonicNow() + PARTIAL_RESPONSE_MS);
  let expiresAt = expiry();
  let remaining = maxValues;
  const budget: ResponseBudget = {
    valuesLeft: 0,
    checkpoint: () => {
      if (remaining + budget.valuesLeft < 0) {
        throw limitError({
          what: 'values in its response so far',
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
    renew: () => {
      expiresAt = expiry();
    },
  };
  return budget;
};
