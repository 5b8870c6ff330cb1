import { createPatch } from 'rfc6902';
import type { SubscriptionMessage } from './message.ts';

/** Data of more characters is sent whole: comparing long lists takes the square of their length. */
const MAX_PATCHED_CHARS = 200_000;

/**
 * Returns the next answer to a live query, with its revision and, if wanted, the patch from the previous one. Undefined if they are
 * equal.
 */
export const nextAnswer = (
  previous: SubscriptionMessage | undefined,
  message: SubscriptionMessage,
  { patch }: { readonly patch: boolean },
): SubscriptionMessage | undefined => {
  const text = JSON.stringify([message.data, message.errors]);
  if (previous?.live?.text === text) return undefined;
  const revision = (previous?.live?.revision ?? 0) + 1;
  const isPatched = patch && previous && !message.errors && !previous.errors && text.length <= MAX_PATCHED_CHARS;
  return {
    ...message,
    live: { revision, text, ...(isPatched && { patch: createPatch(previous.data, message.data) }) },
  };
};

/** Returns an answer whole, for a subscriber without the previous one. */
export const asWhole = ({ live, ...message }: SubscriptionMessage): SubscriptionMessage => ({
  ...message,
  ...(live && { live: { revision: live.revision, text: live.text } }),
});
