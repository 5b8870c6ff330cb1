import type { GraphQLFormattedError } from 'graphql';
import type { OperationEvent } from '../../telemetry/events.ts';

/** Maximum length of a code, and maximum number of different ones: those of external subgraphs are their own. */
const MAX_CODE_CHARS = 100;
const MAX_CODES = 20;

/** Returns the outcome of an operation, and the codes of its errors. */
export const outcomeOf = (
  data: unknown,
  errors: readonly GraphQLFormattedError[] | undefined,
): Pick<OperationEvent, 'outcome' | 'codes'> => {
  if (!errors || errors.length === 0) return { outcome: 'ok', codes: [] };
  const codes = new Set<string>();
  for (const { extensions } of errors) {
    if (codes.size < MAX_CODES) codes.add(String(extensions?.['code']).slice(0, MAX_CODE_CHARS));
  }
  return { outcome: data === undefined || data === null ? 'error' : 'partial', codes: [...codes] };
};
