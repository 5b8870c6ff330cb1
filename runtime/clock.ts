/**
 * Milliseconds on a clock that never steps, since a moment of no meaning. Use it for whatever is counted down or compared
 * within this process: deadlines, waits, rate limits, ages. The wall clock can be set back an hour while a request runs,
 * so it is only for times that are exchanged with others.
 */
export const monotonicNow = (): number => performance.now();
