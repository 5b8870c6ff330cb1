import { z } from 'zod';
import { type DocumentLimits, LIMIT_VARIABLES } from './document-limits.ts';

/** Default limits on clients' documents. The customer desk's largest operation has 300 tokens and 70 selections. */
export const CLIENT_LIMITS: DocumentLimits = {
  chars: 100_000,
  tokens: 10_000,
  depth: 50,
  aliases: 500,
  directives: 500,
  selections: 2_500,
  rootFields: 100,
  mutations: 10,
};

/** Default limits on a gateway's documents to a subgraph. Higher, because plans expand fragments and merge fetches. */
export const SUBGRAPH_LIMITS: DocumentLimits = {
  chars: 1_000_000,
  tokens: 100_000,
  depth: 100,
  aliases: 10_000,
  directives: 10_000,
  selections: 50_000,
  rootFields: 500,
  mutations: 10,
};

type LimitVariable = (typeof LIMIT_VARIABLES)[keyof DocumentLimits];

const names = Object.keys(LIMIT_VARIABLES) as (keyof DocumentLimits)[];

/** Creates the schema of the limits' variables, with these defaults. */
export const createLimitsShape = (defaults: DocumentLimits) =>
  Object.fromEntries(
    names.map((name) => [LIMIT_VARIABLES[name], z.coerce.number().int().positive().default(defaults[name])]),
  ) as Record<LimitVariable, z.ZodDefault<z.ZodCoercedNumber>>;

/** Converts the values of these variables to limits. */
export const readLimits = (values: Readonly<Record<LimitVariable, number>>): DocumentLimits => ({
  chars: values.MAX_OPERATION_CHARS,
  tokens: values.MAX_OPERATION_TOKENS,
  depth: values.MAX_OPERATION_DEPTH,
  aliases: values.MAX_ALIASES,
  directives: values.MAX_DIRECTIVES,
  selections: values.MAX_SELECTIONS,
  rootFields: values.MAX_ROOT_FIELDS,
  mutations: values.MAX_MUTATIONS,
});
