/**
 * Returns the time of a monotonic clock, in milliseconds since an arbitrary origin.
 *
 * Use it for durations within this process: deadlines, timeouts, rate limits, ages. The wall clock can be set back while a
 * request runs, so use it only for times that are exchanged with other systems.
 */
export const monotonicNow = (): number => performance.now();
