import { isUpstreamError } from '../../connectors/errors.ts';

/**
 * Runs a write. If its outcome is unknown, calls `findResult`, which returns the write's result if it was carried out. If
 * that fails, or the write was not carried out yet, it still may be, so the outcome stays unknown.
 */
export const reconcile = async <Result>(
  write: () => Promise<Result>,
  findResult: () => Promise<Result | undefined>,
): Promise<Result> => {
  try {
    return await write();
  } catch (error) {
    if (!isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN')) throw error;
    const result = await findResult().catch(() => undefined);
    if (result === undefined) throw error;
    return result;
  }
};

/**
 * Runs a write under an idempotency key. If the provider accepted it but the response cannot be used, repeats it once: the
 * provider then returns the stored result. If that cannot be used either, the outcome stays unknown.
 */
export const reconcileByRepeating = async <Result>(write: () => Promise<Result>): Promise<Result> => {
  try {
    return await write();
  } catch (error) {
    if (!isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN') || !error.details.isAccepted) throw error;
    return await write().catch(() => {
      throw error;
    });
  }
};
