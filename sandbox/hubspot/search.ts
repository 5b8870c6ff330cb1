import { z } from 'zod';
import { validationError } from './errors.ts';
import type { CrmObject } from './state.ts';

const Filter = z.strictObject({
  propertyName: z.string(),
  operator: z.enum([
    'EQ',
    'NEQ',
    'LT',
    'LTE',
    'GT',
    'GTE',
    'BETWEEN',
    'IN',
    'NOT_IN',
    'HAS_PROPERTY',
    'NOT_HAS_PROPERTY',
    'CONTAINS_TOKEN',
    'NOT_CONTAINS_TOKEN',
  ]),
  value: z.string().optional(),
  highValue: z.string().optional(),
  values: z.array(z.string()).optional(),
});

/**
 * The three ways to write a sort: a property's name, the same with a minus for descending, as the README of @hubspot/api-client has
 * it and the OpenAPI document allows, or an object, as the guide has it.
 */
const Sort = z.union([
  z.string().transform((sort) => {
    const isDescending = sort.startsWith('-');
    return { propertyName: isDescending ? sort.slice(1) : sort, isDescending };
  }),
  z
    .strictObject({ propertyName: z.string(), direction: z.enum(['ASCENDING', 'DESCENDING']).default('ASCENDING') })
    .transform(({ propertyName, direction }) => ({ propertyName, isDescending: direction === 'DESCENDING' })),
]);

export const SearchRequest = z.strictObject({
  filterGroups: z
    .array(z.strictObject({ filters: z.array(Filter).max(6) }))
    .max(5)
    .default([]),
  query: z.string().max(3000).optional(),
  sorts: z.array(Sort).max(1).default([]),
  properties: z.array(z.string()).default([]),
  limit: z.number().int().min(1).max(200).default(10),
  after: z.union([z.string(), z.number()]).optional(),
});

const MAX_RESULTS = 10_000;

// What the full-text search looks into, for any type of object.
const SEARCHABLE = ['firstname', 'lastname', 'email', 'phone', 'name', 'domain', 'dealname'];

/** Finds records: groups of filters joined by OR, filters within a group by AND, and a full-text query on top. */
export const search = (objects: Iterable<CrmObject>, request: z.output<typeof SearchRequest>) => {
  const words = request.query?.toLowerCase().split(/\s+/).filter(Boolean) ?? [];
  const found = [...objects].filter(
    ({ properties }) =>
      (request.filterGroups.length === 0 ||
        request.filterGroups.some(({ filters }) => filters.every((filter) => matches(filter, properties)))) &&
      words.every((word) => SEARCHABLE.some((name) => properties[name]?.toLowerCase().includes(word))),
  );
  const [sort] = request.sorts;
  if (sort) {
    const sign = sort.isDescending ? -1 : 1;
    const key = (object: CrmObject) => object.properties[sort.propertyName] ?? '';
    found.sort((a, b) => sign * compare(key(a), key(b)));
  }
  const start = Number(request.after ?? 0);
  if (!Number.isInteger(start) || start + request.limit > MAX_RESULTS) throw validationError('Paging beyond 10,000.');
  return { total: found.length, start, results: found.slice(start, start + request.limit) };
};

const compare = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

const matches = (filter: z.output<typeof Filter>, properties: CrmObject['properties']): boolean => {
  const actual = properties[filter.propertyName] ?? null;
  const { value = '', highValue = '', values = [] } = filter;
  const compared = actual === null ? Number.NaN : compare(actual, value);
  switch (filter.operator) {
    case 'EQ':
      return actual === filter.value;
    case 'NEQ':
      return actual !== filter.value;
    case 'LT':
      return compared < 0;
    case 'LTE':
      return compared <= 0;
    case 'GT':
      return compared > 0;
    case 'GTE':
      return compared >= 0;
    case 'BETWEEN':
      return actual !== null && compared >= 0 && compare(actual, highValue) <= 0;
    case 'IN':
      return actual !== null && values.includes(actual);
    case 'NOT_IN':
      return actual !== null && !values.includes(actual);
    case 'HAS_PROPERTY':
      return actual !== null;
    case 'NOT_HAS_PROPERTY':
      return actual === null;
    case 'CONTAINS_TOKEN':
      return hasToken(actual, value);
    case 'NOT_CONTAINS_TOKEN':
      return !hasToken(actual, value);
  }
};

const hasToken = (actual: string | null, token: string): boolean =>
  actual?.toLowerCase().includes(token.replaceAll('*', '').toLowerCase()) ?? false;
