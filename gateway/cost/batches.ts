import type { CallAllowance } from '../../telemetry/call-stats.ts';

/**
 * Maximum number of batches that keys loaded at the same time can end up in. The first key can take the last place of a batch
 * that other client requests have filled.
 */
export const mostBatches = (keys: number, batchSize: number): number =>
  keys <= 0 ? 0 : Math.min(Math.ceil(keys), 1 + Math.ceil((keys - 1) / batchSize));

/** Usual number of batches, which less than one key on average takes only sometimes. */
export const usualBatches = (keys: number, batchSize: number): number =>
  keys <= 1 ? Math.max(0, keys) : Math.max(1, keys / batchSize);

/** Each call may be repeated twice, but of all calls only as many as the retry budget has when it is full. */
const REPEATS_PER_CALL = 2;
const SAVED_REPEATS = 10;
const SHARE_OF_REPEATS = 0.1;

/**
 * The allowance for calls that are planned: these, and repeats of failed ones. A rejected batch is sent again in halves, which
 * takes about `4 * log2(keys)` calls to isolate two bad keys. The batch can be full of other clients' keys, so the maximum size
 * of the operation's batches counts, not the number of its own keys.
 */
export const toAllowance = (planned: number, batchSize: number): CallAllowance => {
  const retries = Math.min(REPEATS_PER_CALL * planned, SAVED_REPEATS + Math.ceil(SHARE_OF_REPEATS * planned));
  const halves = batchSize > 1 && planned > 0 ? 4 * Math.ceil(Math.log2(batchSize + 1)) : 0;
  return { calls: planned + retries + halves, repeats: retries + halves };
};
