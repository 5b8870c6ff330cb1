import type { FetchError } from './failure.ts';
import type { Path } from './objects-at.ts';
import type { PreparedOperation } from './prepare.ts';
import { selectedPrefix } from './selections.ts';
import type { SubgraphError } from './subgraph-request.ts';

/** An error of the merged response. Its path uses the field names of the internal data. */
type ResponseError = SubgraphError & Pick<FetchError, 'isSecondary'>;

/** Maximum number of errors in one response. A subgraph can return an invalid null for each of a million list items. */
export const MAX_ERRORS = 2_000;

/** Maximum number of errors that are examined: many can be duplicates. */
const MAX_READ_ERRORS = 20_000;

type MappedError = { readonly error: SubgraphError; readonly isSecondary: boolean; readonly hasFullPath: boolean };

/**
 * Creates a function that maps the errors of a response to the client's errors.
 *
 * The mapped errors have client-facing paths and are deduplicated. An error is dropped if another one explains the same null.
 */
export const createClientErrorMapper = (
  { operation, fragments }: PreparedOperation,
  toClientPath: (path: Path) => Path,
) => {
  const mapError = ({ message, extensions, path: inData, isSecondary = false }: ResponseError): MappedError => {
    // A null can have propagated from a field that only the planner selected.
    const selected = inData && selectedPrefix(operation.selectionSet, fragments, inData);
    const path = selected && toClientPath(selected);
    const error = { message, ...(path && path.length > 0 && { path }), ...(extensions && { extensions }) };
    return { error, isSecondary, hasFullPath: selected === inData };
  };

  return (errors: readonly ResponseError[], data: unknown): SubgraphError[] => {
    const mapped = errors.slice(0, MAX_READ_ERRORS).map(mapError);
    const remaining = mapped.every(({ isSecondary, hasFullPath }) => hasFullPath && !isSecondary)
      ? mapped
      : withoutRedundant(mapped, data);
    // An object that appears at several paths of the plan can have failed at each of them.
    const client = [
      ...new Map(remaining.map(({ error }) => [JSON.stringify([error.path, reasonKey(error)]), error])).values(),
    ];
    const omitted = Math.max(0, errors.length - MAX_READ_ERRORS) + Math.max(0, client.length - MAX_ERRORS);
    if (omitted === 0) return client;
    return [...client.slice(0, MAX_ERRORS), omittedErrors(omitted)];
  };
};

/** Returns the error in place of those that are omitted. */
export const omittedErrors = (count: number): SubgraphError => ({
  message: `${count} more errors were omitted.`,
  extensions: { code: 'ERRORS_OMITTED' },
});

const withoutRedundant = (reported: readonly MappedError[], data: unknown): MappedError[] => {
  const explained = new Set<string>();
  for (const { error, isSecondary, hasFullPath } of reported) {
    const nullPath = hasFullPath && !isSecondary ? nullPathKey(data, error.path) : undefined;
    if (nullPath) for (const text of [nullPath, `${nullPath} ${reasonKey(error)}`]) explained.add(text);
  }
  return reported.filter(({ error, isSecondary, hasFullPath }) => {
    const nullPath = hasFullPath && !isSecondary ? undefined : nullPathKey(data, error.path);
    return !nullPath || !explained.has(hasFullPath ? `${nullPath} ${reasonKey(error)}` : nullPath);
  });
};

const reasonKey = ({ message, extensions }: SubgraphError): string => JSON.stringify([message, extensions]);

/** The path of the null on the way to an error, as a JSON key. Undefined if there is no null. */
const nullPathKey = (data: unknown, path: Path = []): string | undefined => {
  let value = data;
  for (const [index, step] of path.entries()) {
    if (value === null || value === undefined) return JSON.stringify(path.slice(0, index));
    value = (value as Record<string | number, unknown>)[step];
  }
  return value === null || value === undefined ? JSON.stringify(path) : undefined;
};
