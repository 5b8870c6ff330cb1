/** Formats a count with its noun: `1 call`, `2 calls`. */
export const many = (count: number, one: string, several = `${one}s`): string =>
  `${count} ${count === 1 ? one : several}`;

/** Formats a duration in milliseconds. */
export const inMs = (ms: number): string => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`);

/** Formats a figure that may be a mean, with at most one decimal. */
export const toFigure = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 1 });
