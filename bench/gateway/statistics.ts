/** Returns the middle value; the mean of the two middle ones of an even number. */
export const median = (list: readonly number[]): number => {
  const sorted = [...list].sort((one, other) => one - other);
  const half = Math.floor(sorted.length / 2);
  const [before = Number.NaN, middle = Number.NaN] = [sorted[half - 1], sorted[half]];
  return sorted.length % 2 === 0 ? (before + middle) / 2 : middle;
};

/** Returns a quantile of an ascending list. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** Returns the next value of the straight line that fits three values at equal distances best (least squares). */
export const extrapolate = (first: number, second: number, third: number): number =>
  (first + second + third) / 3 + third - first;
