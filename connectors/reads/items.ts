import { z } from 'zod';
import type { UpstreamError } from '../errors.ts';
import { fieldsOf, unusableResponse } from '../transports/parse.ts';

/**
 * A list item that failed validation. Plain data, so that it is cached with its list; `toItemError` converts it to an error.
 */
export type InvalidItem = {
  readonly invalid: { readonly operation: string; readonly fields: string };
  /** The item's id; null if it cannot be read. */
  readonly id: string | null;
};

const WithId = z.object({ id: z.string().min(1) });

/** Parses one item of a list, so that an invalid one does not fail the others. */
export const parseItem = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  operation: string,
): z.output<Schema> | InvalidItem => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const id = WithId.safeParse(value).data?.id ?? null;
  return { invalid: { operation, fields: fieldsOf(parsed.error) }, id };
};

/** Whether an item failed validation. */
export const isInvalidItem = <Item>(item: Item | InvalidItem): item is InvalidItem =>
  typeof item === 'object' && item !== null && 'invalid' in item;

/** Creates the UPSTREAM_BAD_RESPONSE for an invalid item, naming the fields at fault. */
export const toItemError = (subgraph: string, { invalid: { operation, fields } }: InvalidItem): UpstreamError =>
  unusableResponse({ subgraph, operation }, `unexpected ${fields}`);

/** Returns the id of an item, even of an invalid one. Throws UPSTREAM_BAD_RESPONSE if the id cannot be read. */
export const idOfItem = (subgraph: string, item: { readonly id: string } | InvalidItem): string => {
  if (!isInvalidItem(item)) return item.id;
  if (item.id === null) throw toItemError(subgraph, item);
  return item.id;
};

/** Returns the item, or the error of an invalid one. */
export const itemOrError = <Item>(subgraph: string, item: Item | InvalidItem): Item | UpstreamError =>
  isInvalidItem(item) ? toItemError(subgraph, item) : item;
