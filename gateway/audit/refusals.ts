/** Number of refusals of one kind that are recorded one by one in each window. */
const MAX_RECORDS = 60;
const WINDOW_MS = 60_000;

type Window = { count: number; readonly timer: NodeJS.Timeout };

/**
 * Limits the records of refusals, which anyone can cause: at most 60 a minute of each kind, and one with the number of further
 * ones.
 */
export const createRefusalLimit = (recordSuppressed: (kind: string, count: number) => void) => {
  const windows = new Map<string, Window>();

  const end = (kind: string): void => {
    const window = windows.get(kind);
    windows.delete(kind);
    clearTimeout(window?.timer);
    if (window && window.count > MAX_RECORDS) recordSuppressed(kind, window.count - MAX_RECORDS);
  };

  return {
    /** Counts a refusal and returns whether it is recorded. There may be only a few kinds. */
    take: (kind: string): boolean => {
      const window = windows.get(kind) ?? { count: 0, timer: setTimeout(end, WINDOW_MS, kind).unref() };
      windows.set(kind, window);
      window.count += 1;
      return window.count <= MAX_RECORDS;
    },
    /** Records what was suppressed. */
    close: () => {
      for (const kind of [...windows.keys()]) end(kind);
    },
  };
};
