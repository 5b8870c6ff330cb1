import type { FetchError } from './failure.ts';
import type { Path } from './objects-at.ts';
import type { Prepared } from './prepare.ts';
import { selectedPart } from './selections.ts';
import type { SubgraphError } from './subgraph-request.ts';

/** An error with a path in the names of the data; some stand for others. */
type AnswerError = SubgraphError & Pick<FetchError, 'isSecondary'>;

/** Errors of one answer at most: a subgraph can give a null where none may be for each of a million items. */
const MAX_ERRORS = 2_000;

/** Errors that are looked at for that: many can say the same of one place. */
const MAX_READ_ERRORS = 20_000;

type Reported = { readonly error: SubgraphError; readonly isSecondary: boolean; readonly isWhole: boolean };

/**
 * Creates the function that makes a client's errors of those of an answer: with the paths that the client knows, each
 * once, and without those that say nothing which another does not say of the same null.
 */
export const createToClientErrors = ({ operation, fragments }: Prepared, toClientPath: (path: Path) => Path) => {
  const toReported = ({ message, extensions, path: inData, isSecondary = false }: AnswerError): Reported => {
    // A null can have come up for the sake of a field that only the planner asked for.
    const selected = inData && selectedPart(operation.selectionSet, fragments, inData);
    const path = selected && toClientPath(selected);
    const error = { message, ...(path && path.length > 0 && { path }), ...(extensions && { extensions }) };
    return { error, isSecondary, isWhole: selected === inData };
  };

  return (errors: readonly AnswerError[], data: unknown): SubgraphError[] => {
    const reported = errors.slice(0, MAX_READ_ERRORS).map(toReported);
    const told = reported.every(({ isSecondary, isWhole }) => isWhole && !isSecondary)
      ? reported
      : withoutExplained(reported, data);
    // An object that stands at several places of the plan can have failed for each.
    const client = [
      ...new Map(told.map(({ error }) => [JSON.stringify([error.path, reasonOf(error)]), error])).values(),
    ];
    const omitted = Math.max(0, errors.length - MAX_READ_ERRORS) + Math.max(0, client.length - MAX_ERRORS);
    if (omitted === 0) return client;
    return [
      ...client.slice(0, MAX_ERRORS),
      { message: `${omitted} more errors are left out.`, extensions: { code: 'ERRORS_OMITTED' } },
    ];
  };
};

const withoutExplained = (reported: readonly Reported[], data: unknown): Reported[] => {
  const explained = new Set<string>();
  for (const { error, isSecondary, isWhole } of reported) {
    const place = isWhole && !isSecondary ? nullAt(data, error.path) : undefined;
    if (place) for (const text of [place, `${place} ${reasonOf(error)}`]) explained.add(text);
  }
  return reported.filter(({ error, isSecondary, isWhole }) => {
    const place = isWhole && !isSecondary ? undefined : nullAt(data, error.path);
    return !place || !explained.has(isWhole ? `${place} ${reasonOf(error)}` : place);
  });
};

const reasonOf = ({ message, extensions }: SubgraphError): string => JSON.stringify([message, extensions]);

/** Where on the way to an error the answer is null, as text; undefined where it is not. */
const nullAt = (data: unknown, path: Path = []): string | undefined => {
  let value = data;
  for (const [index, step] of path.entries()) {
    if (value === null || value === undefined) return JSON.stringify(path.slice(0, index));
    value = (value as Record<string | number, unknown>)[step];
  }
  return value === null || value === undefined ? JSON.stringify(path) : undefined;
};
