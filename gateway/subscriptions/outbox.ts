import type { SubscriptionMessage } from './message.ts';

/** The messages that wait for one subscriber who reads slowly. */
export type Outbox = {
  readonly push: (message: SubscriptionMessage) => void;
  /** Call when the subscriber has read what was written. */
  readonly drained: () => void;
  /** Calls back when no messages wait any more. */
  readonly end: (callback: () => void) => void;
};

/** Messages that wait for a slow subscriber. Later ones are missed until it has read those. */
export const MAX_WAITING_MESSAGES = 100;

/**
 * Creates an outbox. `write` sends a message with the number of those that were missed before it, and returns whether the subscriber
 * takes more at once. When it does not, the next ones wait, up to a maximum, and the subscriber learns how many it has missed beyond.
 */
export const createOutbox = (
  write: (message: SubscriptionMessage, missed: number) => boolean,
  isReadyAtFirst = true,
): Outbox => {
  const waiting: SubscriptionMessage[] = [];
  let missed = 0;
  let isReady = isReadyAtFirst;
  let onEmpty: (() => void) | undefined;

  const flush = (): void => {
    while (isReady) {
      const next = waiting.shift();
      if (!next) break;
      isReady = write(next, missed);
      missed = 0;
    }
    if (waiting.length > 0) return;
    onEmpty?.();
    onEmpty = undefined;
  };

  return {
    push: (message) => {
      waiting.push(message);
      if (waiting.length > MAX_WAITING_MESSAGES) {
        // The latest state matters most.
        waiting.shift();
        missed += 1;
      }
      flush();
    },
    drained: () => {
      isReady = true;
      flush();
    },
    end: (callback) => {
      onEmpty = callback;
      flush();
    },
  };
};
