import type { Execution, Path, Target } from './execution.ts';

/**
 * Executes one field of an object and sets its value in `target`. Returns a promise if that takes until later.
 * Throws, or rejects, if the field failed and cannot be null.
 */
export type ExecuteField = (
  execution: Execution,
  source: unknown,
  parentPath: Path | undefined,
  target: Target,
) => Promise<void> | undefined;

/** The fields that are selected of an object of one type. */
export type SelectedFields = {
  /**
   * What the response object starts as: its keys in their order, with the values that are always the same. Objects that
   * are copied from one have one shape, which is quicker to fill, and to read for whoever gets the response.
   */
  readonly template: Target;
  readonly executors: readonly ExecuteField[];
};

type ExecuteFields = (
  execution: Execution,
  fields: SelectedFields,
  source: unknown,
  path: Path | undefined,
) => Target | Promise<Target>;

/** Executes the fields of an object at the same time. Returns a promise only if one of them does. */
export const executeFields: ExecuteFields = (execution, { template, executors }, source, path) => {
  const target = { ...template };
  let pending: Promise<void>[] | undefined;
  try {
    for (const executeField of executors) {
      const promise = executeField(execution, source, path, target);
      if (!promise) continue;
      pending ??= [];
      pending.push(promise);
    }
  } catch (error) {
    if (!pending) throw error;
    // The fields before it may still add their errors, and none of their rejections may go unhandled.
    const fail = () => Promise.reject(error);
    return Promise.all(pending).then(fail, fail);
  }
  return pending ? Promise.all(pending).then(() => target) : target;
};

/** Executes the fields of a mutation one after the other. */
export const executeFieldsSerially: ExecuteFields = async (execution, { template, executors }, source, path) => {
  const target = { ...template };
  for (const executeField of executors) await executeField(execution, source, path, target);
  return target;
};
