import type { BrokerMessage } from './broker.ts';

/**
 * Splits messages into waves in which no key occurs twice. Each wave can be sent without waiting for single confirmations: whichever
 * of its messages fails, none with the same key has overtaken it.
 */
export const toWaves = (messages: readonly BrokerMessage[]): readonly (readonly BrokerMessage[])[] => {
  const waves: BrokerMessage[][] = [];
  let keys = new Set<string>();
  for (const message of messages) {
    if (waves.length === 0 || keys.has(message.key)) {
      waves.push([]);
      keys = new Set();
    }
    waves.at(-1)?.push(message);
    keys.add(message.key);
  }
  return waves;
};
