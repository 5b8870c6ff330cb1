import type { z } from 'zod';
import { UpstreamError } from './errors.ts';

/** Where an answer came from, for the error when it is not what it should be. */
export type Origin = { readonly upstream: string; readonly operation: string };

/** Reads JSON text by a schema. Throws UPSTREAM_BAD_RESPONSE where it is no JSON or not of that shape. */
export const parseJson = <Schema extends z.ZodType>(schema: Schema, text: string, origin: Origin): z.output<Schema> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UpstreamError('UPSTREAM_BAD_RESPONSE', origin.upstream, `${origin.operation} answered with no JSON`, {
      operation: origin.operation,
      cause,
    });
  }
  return parseAnswer(schema, value, origin);
};

/**
 * Reads a provider's answer by a schema, so that inside the types are true.
 * Throws UPSTREAM_BAD_RESPONSE naming the fields at fault, never their values.
 */
export const parseAnswer = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  { upstream, operation }: Origin,
): z.output<Schema> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || '(the whole answer)'))];
  throw new UpstreamError(
    'UPSTREAM_BAD_RESPONSE',
    upstream,
    `${operation} answered with unexpected ${fields.slice(0, 5).join(', ')}`,
    { operation },
  );
};
