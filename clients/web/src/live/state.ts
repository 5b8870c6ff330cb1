import { makeVar } from '@apollo/client';
import { useReactiveVar } from '@apollo/client/react';

/**
 * The state of a stream. `connecting` also after it has ended, until an attempt has failed. `paused`: it needs a new token, for
 * which the page would be left.
 */
export type StreamState = 'connecting' | 'live' | 'lost' | 'paused';

/** The streams of the page, by name. One that the gateway refuses is not in it: the page is as good without. */
const streams = makeVar<Readonly<Record<string, StreamState>>>({});

/** Whether changes may have been missed: the state has to be read once after the streams have begun. */
const gap = makeVar(false);

/** Sets the state of a stream; undefined removes it. */
export const setStream = (name: string, state: StreamState | undefined): void => {
  const { [name]: before, ...others } = streams();
  if (before !== state) streams(state ? { ...others, [name]: state } : others);
};

export const noteGap = (): void => void gap(true);

/** Returns whether there is a gap, and ends it. */
export const takeGap = (): boolean => {
  const had = gap();
  if (had) gap(false);
  return had;
};

/** By severity. */
const STATES: readonly StreamState[] = ['paused', 'lost', 'connecting', 'live'];

/** Returns the worst state of the page's streams. Undefined if there are none. */
export const useLiveState = (): StreamState | undefined => {
  const all = Object.values(useReactiveVar(streams));
  return STATES.find((state) => all.includes(state));
};

/** Returns whether there is a gap. */
export const useGap = (): boolean => useReactiveVar(gap);

const waiting = new Set<() => void>();

/** Calls back when the user wants to connect again. Returns a function that ends it. */
export const onReconnect = (callback: () => void): (() => void) => {
  waiting.add(callback);
  return () => void waiting.delete(callback);
};

/** Connects all streams again that wait for something. */
export const reconnect = (): void => {
  for (const callback of [...waiting]) callback();
};
