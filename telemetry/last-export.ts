/** Maximum time for a collector to take what is sent last when a process ends, in milliseconds. Traces and metrics are sent at once. */
export const LAST_EXPORT_MS = 3_000;

/** Waits for a last export, at most `LAST_EXPORT_MS`, whether or not it succeeds. */
export const waitForLastExport = async (sending: Promise<unknown>): Promise<void> => {
  const { promise: tooLong, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LAST_EXPORT_MS);
  await Promise.race([sending.catch(() => {}), tooLong]);
  clearTimeout(timer);
};
