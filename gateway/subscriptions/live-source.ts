import { setTimeout as pause } from 'node:timers/promises';
import type { Invalidations } from '../../connectors/reads/invalidations.ts';
import { raceAbort } from '../../runtime/race-abort.ts';

/** The times at which a live query is to be executed. */
export type LiveSource = {
  /** Yields at once, and then whenever the answer may have changed. */
  readonly changes: (signal: AbortSignal) => AsyncGenerator<undefined, void>;
  /** Call with what an execution has read. `isPreliminary`: the answer has errors or stale values. */
  readonly executed: (reads: ReadonlySet<string>, isPreliminary: boolean) => void;
};

/** Time to collect invalidations before the query is executed again, in milliseconds. */
const GATHER_MS = 50;

/** Minimum time between two executions, in milliseconds. */
const MIN_INTERVAL_MS = 1_000;

/** Time after which an answer with errors or stale values is tried again, in milliseconds. */
const RETRY_MS = 5_000;

/** Tags that are remembered while the query is executed. Beyond, all count as invalidated. */
const MAX_TAGS = 10_000;

/** Creates the source for one live query, which may have many subscribers. */
export const createLiveSource = (invalidations: Invalidations): LiveSource => {
  /** What the answer depends on. Undefined while the query is executed. */
  let dependencies: ReadonlySet<string> | undefined;
  let invalidated = new Set<string>();
  let isPreliminary = false;
  let changed = Promise.withResolvers<void>();

  const check = (): void => {
    if (!dependencies) return;
    const hasChanged = invalidated.size >= MAX_TAGS || [...invalidated].some((tag) => dependencies?.has(tag));
    invalidated = new Set();
    if (hasChanged) changed.resolve();
  };

  return {
    executed: (reads, isPreliminaryNow) => {
      dependencies = reads;
      isPreliminary = isPreliminaryNow;
      check();
    },
    changes: async function* (signal) {
      const stopListening = invalidations.listen((tags) => {
        for (const tag of tags) if (invalidated.size < MAX_TAGS) invalidated.add(tag);
        check();
      });
      const sleep = (ms: number) => pause(ms, undefined, { signal, ref: false }).catch(() => {});
      try {
        for (let isFirst = true; !signal.aborted; isFirst = false) {
          if (!isFirst) {
            const timer = new AbortController();
            const retry = isPreliminary
              ? pause(RETRY_MS, undefined, { signal: timer.signal, ref: false }).catch(() => {})
              : undefined;
            const due = retry ? Promise.race([changed.promise, retry]) : changed.promise;
            await raceAbort(due, signal).catch(() => {});
            timer.abort();
            await sleep(GATHER_MS);
            if (signal.aborted) return;
          }
          const startedAt = performance.now();
          changed = Promise.withResolvers();
          // What is invalidated from here on may or may not be in the answer.
          dependencies = undefined;
          invalidated = new Set();
          yield undefined;
          if (signal.aborted) return;
          await sleep(Math.max(0, MIN_INTERVAL_MS - (performance.now() - startedAt)));
        }
      } finally {
        stopListening();
      }
    },
  };
};
