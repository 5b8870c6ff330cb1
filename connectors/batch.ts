/** Cuts `items` into lists of at most `size`, in order. */
export const chunksOf = <T>(items: readonly T[], size: number): T[][] => {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
};

/**
 * Asks for `keys` in calls of at most `size`, all at once, and answers in key order: `null` where the provider knows
 * nothing of a key, and an error where that one value could not be used or its whole call failed, so that neither one
 * value nor one call costs the others.
 */
export const askInBatches = async <Value>(
  keys: readonly string[],
  size: number,
  ask: (batch: readonly string[]) => Promise<ReadonlyMap<string, Value | Error>>,
): Promise<(Value | Error | null)[]> => {
  const found = new Map<string, Value | Error>();
  await Promise.all(
    chunksOf(keys, size).map(async (batch) => {
      try {
        for (const [key, value] of await ask(batch)) found.set(key, value);
      } catch (cause) {
        const error = cause instanceof Error ? cause : new Error('A call failed.', { cause });
        for (const key of batch) found.set(key, error);
      }
    }),
  );
  return keys.map((key) => found.get(key) ?? null);
};
