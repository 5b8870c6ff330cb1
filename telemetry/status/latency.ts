/** Buckets of latencies: four for each doubling from 1 ms to 65 s, so that a percentile is at most a tenth off. */
export const LATENCY_BUCKETS = 66;

const PER_DOUBLING = 4;

/** Returns the bucket of a latency in milliseconds. The first is for all up to 1 ms, the last for all from 65.5 s. */
export const bucketOf = (ms: number): number =>
  ms > 1 ? Math.min(LATENCY_BUCKETS - 1, 1 + Math.floor(PER_DOUBLING * Math.log2(ms))) : 0;

/** The latency in the middle of a bucket, in milliseconds. */
const middleOf = (bucket: number): number => (bucket === 0 ? 0.5 : 2 ** ((bucket - 0.5) / PER_DOUBLING));

/** Returns a percentile of counted latencies, in milliseconds; null if there are none. `share` is 0.99 for the 99th. */
export const percentileOf = (counts: ArrayLike<number>, share: number): number | null => {
  let total = 0;
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket += 1) total += counts[bucket] ?? 0;
  if (total === 0) return null;
  let left = share * total;
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket += 1) {
    left -= counts[bucket] ?? 0;
    if (left <= 0) return middleOf(bucket);
  }
  return middleOf(LATENCY_BUCKETS - 1);
};
