import type { z } from 'zod';
import { UpstreamError } from '../errors.ts';

/** Where an answer came from, for the error when it is not what it should be. */
export type Origin = {
  readonly upstream: string;
  readonly operation: string;
  /** True where the answer is a success that a write was answered with. Default: false. */
  readonly write?: boolean;
  /** Items of one list at most, where a schema looks at them. Default 5,000. */
  readonly maxItems?: number;
};

/**
 * The error for an answer that cannot be used: UPSTREAM_BAD_RESPONSE; for a write, which the provider has accepted by then,
 * UPSTREAM_OUTCOME_UNKNOWN. `problem` completes "The operation answered with …" and holds no values.
 */
export const unusableResponse = (
  { upstream, operation, write = false }: Origin,
  problem: string,
  cause?: unknown,
): UpstreamError =>
  new UpstreamError(
    write ? 'UPSTREAM_OUTCOME_UNKNOWN' : 'UPSTREAM_BAD_RESPONSE',
    upstream,
    `${operation} answered with ${problem}`,
    { operation, ...(write && { isAccepted: true }), cause },
  );

/** Parses JSON text by a schema. Throws `unusableResponse` where the text is not JSON or not of that shape. */
export const parseJson = <Schema extends z.ZodType>(schema: Schema, text: string, origin: Origin): z.output<Schema> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unusableResponse(origin, 'no JSON', cause);
  }
  return parseResponse(schema, value, origin);
};

/**
 * Items of one list at most. HubSpot's largest batch has 1,000, and every other list is smaller. A schema reports each
 * item that it refuses: 100,000 empty objects, 300 kB of text, took 19 s and 800 MB.
 */
const MAX_ITEMS = 5_000;

/** How deep lists are looked for: no list that is read lies deeper. */
const MAX_LEVELS = 4;

const hasHugeArray = (value: unknown, maxItems: number, levels: number): boolean => {
  if (typeof value !== 'object' || value === null || levels === 0) return false;
  if (Array.isArray(value) && value.length > maxItems) return true;
  return Object.values(value).some((inner) => hasHugeArray(inner, maxItems, levels - 1));
};

/**
 * Parses a provider's answer by a schema, so that inside the types are true.
 * Throws `unusableResponse` naming the fields at fault, never their values.
 */
export const parseResponse = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  origin: Origin,
): z.output<Schema> => {
  const { maxItems = MAX_ITEMS } = origin;
  if (maxItems < Number.POSITIVE_INFINITY && hasHugeArray(value, maxItems, MAX_LEVELS))
    throw unusableResponse(origin, `more than ${maxItems} items in one list`);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unusableResponse(origin, `unexpected ${fieldsOf(parsed.error)}`);
};

/** The names of up to five fields that a schema refuses. */
export const fieldsOf = ({ issues }: z.ZodError): string => {
  const fields = new Set(issues.map((issue) => issue.path.join('.').slice(0, 100) || '(the whole answer)'));
  return [...fields].slice(0, 5).join(', ');
};
