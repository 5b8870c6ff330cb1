import { z } from 'zod';
import { validationError } from './errors.ts';
import type { CrmObject, ObjectType } from './state.ts';

/** The names of the object types in HubSpot's messages. */
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

/** Returns the object type that a path or parameter names: in plural, in singular or by HubSpot's number. */
export const typeNamed = (name: string): ObjectType | undefined =>
  (Object.keys(TYPES) as ObjectType[]).find((type) => [type, TYPES[type].toLowerCase(), NUMBERS[type]].includes(name));

/** Returns the value of a property; null if it is not set. */
export const propertyOf = ({ properties }: Pick<CrmObject, 'properties'>, name: string): string | null =>
  (Object.hasOwn(properties, name) ? properties[name] : null) ?? null;

/** Finds a record by id, or by the value of another property. */
export const findBy = (
  records: ReadonlyMap<string, CrmObject>,
  id: string,
  idProperty: string | null | undefined,
): CrmObject | undefined =>
  idProperty == null
    ? records.get(id)
    : [...records.values()].find((one) => propertyOf(one, idProperty)?.toLowerCase() === id.toLowerCase());

/** Parses a JSON body. Throws HubSpot's validation error if it is invalid. */
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

/** The properties of a record to return. */
export type Shown = { readonly properties: readonly string[]; readonly propertiesWithHistory?: readonly string[] };

/** Returns a record with the requested properties and the three that are always included. */
export const show = (record: CrmObject, { properties: names, propertiesWithHistory = [] }: Shown) => {
  const { id, createdAt, updatedAt, archivedAt } = record;
  const shown = new Set([...names, ...propertiesWithHistory, 'createdate', 'hs_lastmodifieddate', 'hs_object_id']);
  return {
    id,
    properties: Object.fromEntries([...shown].map((name) => [name, propertyOf(record, name)])),
    ...(propertiesWithHistory.length > 0 && {
      // The sandbox stores only the latest value.
      propertiesWithHistory: Object.fromEntries(
        propertiesWithHistory.map((name) => {
          const value = propertyOf(record, name);
          return [name, value === null ? [] : [{ value, timestamp: updatedAt, sourceType: 'INTEGRATION' }]];
        }),
      ),
    }),
    createdAt,
    updatedAt,
    archived: archivedAt !== undefined,
    ...(archivedAt !== undefined && { archivedAt }),
  };
};

/** Parses a cursor to a position; 0 without one. */
export const positionOf = (after: string | number | null | undefined): number => {
  if (after == null) return 0;
  if (!/^\d{1,15}$/.test(String(after))) throw validationError(`Invalid value for after: ${after}`);
  return Number(after);
};

/** Returns the names in a query parameter: repeated, as HubSpot's client writes them, or comma-separated, as documented. */
export const namesIn = (query: URLSearchParams, parameter: string): string[] =>
  query
    .getAll(parameter)
    .flatMap((value) => value.split(','))
    .filter(Boolean);
