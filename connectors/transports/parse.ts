import type { z } from 'zod';
import { UpstreamError } from '../errors.ts';

/** The request that a response belongs to, for the error if the response cannot be used. */
export type ResponseContext = {
  readonly subgraph: string;
  readonly operation: string;
  /** Whether this is the successful response of a write. Default: false. */
  readonly write?: boolean;
  /** Maximum number of items in one list. Default 5,000. */
  readonly maxItems?: number;
};

/**
 * Creates the error for a response that cannot be used: UPSTREAM_BAD_RESPONSE, or UPSTREAM_OUTCOME_UNKNOWN for a write, which
 * the provider has already accepted. `problem` completes "The operation responded with …" and must not contain values.
 */
export const unusableResponse = (
  { subgraph, operation, write = false }: ResponseContext,
  problem: string,
  cause?: unknown,
): UpstreamError =>
  new UpstreamError(
    write ? 'UPSTREAM_OUTCOME_UNKNOWN' : 'UPSTREAM_BAD_RESPONSE',
    subgraph,
    `${operation} responded with ${problem}`,
    { operation, ...(write && { isAccepted: true }), cause },
  );

/** Parses and validates JSON text. Throws `unusableResponse` if the text is not JSON or does not match the schema. */
export const parseJson = <Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  context: ResponseContext,
): z.output<Schema> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unusableResponse(context, 'invalid JSON', cause);
  }
  return parseResponse(schema, value, context);
};

/**
 * Default maximum number of items in one list. HubSpot's largest batch has 1,000; every other list is smaller. Needed because
 * a schema reports each invalid item: 100,000 empty objects, 300 kB of text, took 19 s and 800 MB.
 */
const MAX_ITEMS = 5_000;

/** Depth to which lists are checked. No list that is read is nested deeper. */
const MAX_LEVELS = 4;

const hasHugeArray = (value: unknown, maxItems: number, levels: number): boolean => {
  if (typeof value !== 'object' || value === null || levels === 0) return false;
  if (Array.isArray(value) && value.length > maxItems) return true;
  return Object.values(value).some((inner) => hasHugeArray(inner, maxItems, levels - 1));
};

/**
 * Validates a provider's response against a schema.
 * Throws `unusableResponse` naming the fields at fault, never their values.
 */
export const parseResponse = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  context: ResponseContext,
): z.output<Schema> => {
  const { maxItems = MAX_ITEMS } = context;
  if (maxItems < Number.POSITIVE_INFINITY && hasHugeArray(value, maxItems, MAX_LEVELS))
    throw unusableResponse(context, `more than ${maxItems} items in one list`);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unusableResponse(context, `unexpected ${fieldsOf(parsed.error)}`);
};

/** Returns the names of up to five fields that failed validation. */
export const fieldsOf = ({ issues }: z.ZodError): string => {
  const fields = new Set(issues.map((issue) => issue.path.join('.').slice(0, 100) || '(the whole response)'));
  return [...fields].slice(0, 5).join(', ');
};
