import { z } from 'zod';
import { validationError } from './errors.ts';
import type { CrmObject, HubSpotState, ObjectType } from './state.ts';

export type Context = {
  readonly state: HubSpotState;
  readonly now: () => number;
  /** How many links of one record an answer holds before it is paged. */
  readonly linksPerAnswer: number;
};

/** What the provider's messages call the types. */
export const TYPES: Readonly<Record<ObjectType, string>> = {
  contacts: 'CONTACT',
  companies: 'COMPANY',
  deals: 'DEAL',
  line_items: 'LINE_ITEM',
};

/** Reads a JSON body; what cannot be used is answered with the provider's validation error. */
export const parse = <Schema extends z.ZodType>(schema: Schema, body: string): z.output<Schema> => {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw validationError('Invalid input JSON.');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw validationError(`Invalid input: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
};

/** A record with the properties asked for, and the three that always come. */
export const show = ({ id, properties, createdAt, updatedAt }: CrmObject, names: readonly string[]) => ({
  id,
  properties: Object.fromEntries(
    [...new Set([...names, 'createdate', 'hs_lastmodifieddate', 'hs_object_id'])].map((name) => [
      name,
      properties[name] ?? null,
    ]),
  ),
  createdAt,
  updatedAt,
  archived: false,
});
