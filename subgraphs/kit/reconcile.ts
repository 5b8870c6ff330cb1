import { isUpstreamError } from '../../connectors/errors.ts';

/**
 * Runs a write, and where its outcome is unknown asks the provider whether it has been carried out: `ask` gives the
 * write's answer if so. Where that cannot be found out either, or it has not been carried out by now, it may still be,
 * and the outcome stays unknown.
 */
export const reconcile = async <Answer>(
  write: () => Promise<Answer>,
  ask: () => Promise<Answer | undefined>,
): Promise<Answer> => {
  try {
    return await write();
  } catch (error) {
    if (!isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN')) throw error;
    const answer = await ask().catch(() => undefined);
    if (answer === undefined) throw error;
    return answer;
  }
};

/**
 * Runs a write under an idempotency key, and repeats it once where the provider accepted it and its answer cannot be used: the
 * provider returns the stored result. Where that cannot be used either, the outcome stays unknown.
 */
export const reconcileByRepeating = async <Answer>(write: () => Promise<Answer>): Promise<Answer> => {
  try {
    return await write();
  } catch (error) {
    if (!isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN') || !error.details.isAccepted) throw error;
    return await write().catch(() => {
      throw error;
    });
  }
};
