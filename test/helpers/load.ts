import { setTimeout as delay } from 'node:timers/promises';

/** A request that is sent again and again, `pauseMs` after the response to the one before. */
export type LoadItem = {
  readonly pauseMs: number;
  readonly send: (index: number) => Promise<unknown>;
};

/** Sends requests until it is stopped. Stopping waits for those that are running. */
export const startLoad = (items: readonly LoadItem[]): (() => Promise<void>) => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loops = items.map(async ({ pauseMs, send }) => {
    for (let index = 0; !signal.aborted; index += 1) {
      await send(index);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  });
  return async () => {
    stopping.abort();
    await Promise.all(loops);
  };
};
