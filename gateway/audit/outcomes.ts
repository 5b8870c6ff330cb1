import type { GraphQLFormattedError } from 'graphql';
import { isData } from '../execution/data.ts';
import type { AuditedField } from './arguments.ts';

/** The outcome of a mutation or of one of its fields. `unknown`: it may have been carried out. */
export type Outcome = 'succeeded' | 'failed' | 'unknown';

export type MutationOutcome = {
  /** The worst outcome of its fields. */
  readonly outcome: Outcome;
  readonly fields: readonly { readonly name: string; readonly outcome: Outcome; readonly codes?: readonly string[] }[];
};

/** Codes with which a write may have been carried out. */
const UNKNOWN_CODES: ReadonlySet<string> = new Set([
  'UPSTREAM_OUTCOME_UNKNOWN',
  'UPSTREAM_CANCELLED',
  'INTERNAL_SERVER_ERROR',
  'ERRORS_OMITTED',
]);

const MAX_CODES = 10;

/** Reads the outcome of each root field from the response. A field that is not null was carried out, whatever is below it. */
export const outcomesOf = (
  fields: readonly AuditedField[],
  { data, errors = [] }: { readonly data?: unknown; readonly errors?: readonly GraphQLFormattedError[] | undefined },
): MutationOutcome => {
  const read = fields.map(({ key, name }) => {
    const codes = new Set(
      errors
        .filter(({ path }) => path === undefined || path[0] === key)
        .map(({ extensions }) => String(extensions?.['code'])),
    );
    const isPresent = isData(data) && data[key] !== null && data[key] !== undefined;
    const outcome = isPresent || codes.size === 0 ? 'succeeded' : worst([...codes].map(outcomeOf));
    return { name, outcome, ...(codes.size > 0 && { codes: [...codes].slice(0, MAX_CODES) }) };
  });
  return { outcome: worst(read.map(({ outcome }) => outcome)), fields: read };
};

const outcomeOf = (code: string): Outcome => (UNKNOWN_CODES.has(code) ? 'unknown' : 'failed');

const worst = (outcomes: readonly Outcome[]): Outcome =>
  (['unknown', 'failed'] as const).find((outcome) => outcomes.includes(outcome)) ?? 'succeeded';
