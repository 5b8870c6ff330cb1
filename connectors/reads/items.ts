import { z } from 'zod';
import type { UpstreamError } from '../errors.ts';
import { fieldsOf, unusableResponse } from '../transports/parse.ts';

/**
 * An item of a provider's list that cannot be used. Plain data, so that it is cached with its list; `toItemError` makes the
 * error of it.
 */
export type Unusable = {
  readonly unusable: { readonly operation: string; readonly fields: string };
  /** Its id, where that much can be read. */
  readonly id: string | null;
};

const WithId = z.object({ id: z.string().min(1) });

/** Parses one item of a list by a schema, so that an odd one costs only itself. */
export const parseItem = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  operation: string,
): z.output<Schema> | Unusable => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const id = WithId.safeParse(value).data?.id ?? null;
  return { unusable: { operation, fields: fieldsOf(parsed.error) }, id };
};

/** Whether `parseItem` found the item to be unusable. */
export const isUnusable = <Item>(item: Item | Unusable): item is Unusable =>
  typeof item === 'object' && item !== null && 'unusable' in item;

/** UPSTREAM_BAD_RESPONSE for an unusable item, naming the fields at fault. */
export const toItemError = (upstream: string, { unusable: { operation, fields } }: Unusable): UpstreamError =>
  unusableResponse({ upstream, operation }, `unexpected ${fields}`);

/** The id of an item, also of an unusable one. Throws UPSTREAM_BAD_RESPONSE where not even that can be read. */
export const idOfItem = (upstream: string, item: { readonly id: string } | Unusable): string => {
  if (!isUnusable(item)) return item.id;
  if (item.id === null) throw toItemError(upstream, item);
  return item.id;
};

/** The item, or the error that stands in its place. */
export const itemOrError = <Item>(upstream: string, item: Item | Unusable): Item | UpstreamError =>
  isUnusable(item) ? toItemError(upstream, item) : item;
