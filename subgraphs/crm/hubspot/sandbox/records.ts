import { z } from 'zod';
import { validationError } from './errors.ts';
import type { CrmObject, ObjectType } from './state.ts';

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

/** The value of a property; null where there is none. */
export const propertyOf = ({ properties }: Pick<CrmObject, 'properties'>, name: string): string | null =>
  (Object.hasOwn(properties, name) ? properties[name] : null) ?? null;

/** The record with this id, or with this value of another property. */
export const findBy = (
  records: ReadonlyMap<string, CrmObject>,
  id: string,
  idProperty: string | null | undefined,
): CrmObject | undefined =>
  idProperty == null
    ? records.get(id)
    : [...records.values()].find((one) => propertyOf(one, idProperty)?.toLowerCase() === id.toLowerCase());

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
export const show = (record: CrmObject, { properties: names, propertiesWithHistory = [] }: Shown) => {
  const { id, createdAt, updatedAt, archivedAt } = record;
  const shown = new Set([...names, ...propertiesWithHistory, 'createdate', 'hs_lastmodifieddate', 'hs_object_id']);
  return {
    id,
    properties: Object.fromEntries([...shown].map((name) => [name, propertyOf(record, name)])),
    ...(propertiesWithHistory.length > 0 && {
      // The stand-in remembers no value but the last.
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

/** The place that a cursor stands for: the start without one. */
export const positionOf = (after: string | number | null | undefined): number => {
  if (after == null) return 0;
  if (!/^\d{1,15}$/.test(String(after))) throw validationError(`Invalid value for after: ${after}`);
  return Number(after);
};

/** The names in a query's parameter: repeated, as the client writes them, or with commas between them, as the documentation does. */
export const namesIn = (query: URLSearchParams, parameter: string): string[] =>
  query
    .getAll(parameter)
    .flatMap((value) => value.split(','))
    .filter(Boolean);
