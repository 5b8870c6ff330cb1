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

const NUMBERS: Readonly<Record<ObjectType, string>> = {
  contacts: '0-1',
  companies: '0-2',
  deals: '0-3',
  line_items: '0-8',
};

/** The type that a path or a parameter names: in the plural, in the singular or by the provider's number. */
export const typeNamed = (name: string): ObjectType | undefined =>
  (Object.keys(TYPES) as ObjectType[]).find((type) => [type, TYPES[type].toLowerCase(), NUMBERS[type]].includes(name));

/** The record with this id, or with this value of another property. */
export const findBy = (
  records: ReadonlyMap<string, CrmObject>,
  id: string,
  idProperty: string | null | undefined,
): CrmObject | undefined =>
  idProperty == null
    ? records.get(id)
    : [...records.values()].find((one) => one.properties[idProperty]?.toLowerCase() === id.toLowerCase());

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

/** Which properties of a record an answer has. */
export type Shown = { readonly properties: readonly string[]; readonly propertiesWithHistory?: readonly string[] };

/** A record with the properties asked for, and the three that always come. */
export const show = (
  { id, properties, createdAt, updatedAt, archivedAt }: CrmObject,
  { properties: names, propertiesWithHistory = [] }: Shown,
) => ({
  id,
  properties: Object.fromEntries(
    [...new Set([...names, ...propertiesWithHistory, 'createdate', 'hs_lastmodifieddate', 'hs_object_id'])].map(
      (name) => [name, properties[name] ?? null],
    ),
  ),
  ...(propertiesWithHistory.length > 0 && {
    // The stand-in remembers no value but the last.
    propertiesWithHistory: Object.fromEntries(
      propertiesWithHistory.map((name) => [
        name,
        properties[name] == null ? [] : [{ value: properties[name], timestamp: updatedAt, sourceType: 'INTEGRATION' }],
      ]),
    ),
  }),
  createdAt,
  updatedAt,
  archived: archivedAt !== undefined,
  ...(archivedAt !== undefined && { archivedAt }),
});

/** The names in a query's parameter: repeated, as the client writes them, or with commas between them, as the documentation does. */
export const namesIn = (query: URLSearchParams, parameter: string): string[] =>
  query
    .getAll(parameter)
    .flatMap((value) => value.split(','))
    .filter(Boolean);
