import { useSyncExternalStore } from 'react';

/*
 * The messages of the subscription that runs or ran last, each with what has caused it.
 */

/** The gateway's report of what has caused a message, in `extensions.tributary.cause`. Times are in ISO 8601. */
export type Cause = {
  readonly provider: string;
  readonly type: string;
  readonly object: string | null;
  readonly receivedAt: string;
  readonly invalidatedAt?: string;
  readonly sentAt: string;
  readonly invalidated: readonly { readonly read: string; readonly scopes: number | 'all' }[];
};

/** A result of a subscription. */
export type Result = {
  readonly data?: object | null | undefined;
  readonly errors?: readonly { readonly message: string }[] | undefined;
  readonly extensions?:
    | { readonly tributary?: { readonly eventId?: string; readonly missed?: number; readonly cause?: Cause } }
    | undefined;
};

export type Message = {
  /** Counts the messages, from 1. */
  readonly number: number;
  readonly result: Result;
  /** When it arrived here, in milliseconds since 1970, by the browser's clock. */
  readonly arrivedAt: number;
};

export type Stream = {
  readonly state: 'opening' | 'open' | 'ended';
  /** The number of messages that have arrived. */
  readonly count: number;
  /** The latest ones, newest first. */
  readonly messages: readonly Message[];
};

/** Messages that are kept. */
const MAX_MESSAGES = 50;

let stream: Stream | undefined;
const listeners = new Set<() => void>();

const set = (next: Stream | undefined): void => {
  stream = next;
  for (const listener of listeners) listener();
};

/** Returns the stream of the subscription that ran last. Undefined after another operation. */
export const useStream = (): Stream | undefined =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => stream,
  );

export const startStream = (): void => set({ state: 'opening', count: 0, messages: [] });

export const setStreamState = (state: 'open' | 'ended'): void => {
  if (stream) set({ ...stream, state });
};

export const addMessage = (result: Result): void => {
  if (!stream) return;
  const count = stream.count + 1;
  const message = { number: count, result, arrivedAt: Date.now() };
  set({ ...stream, count, messages: [message, ...stream.messages].slice(0, MAX_MESSAGES) });
};

/** Forgets the messages: another operation is run. */
export const forgetStream = (): void => {
  if (stream) set(undefined);
};
