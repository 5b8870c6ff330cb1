import { z } from 'zod';
import { validationError } from './errors.ts';
import type { CrmObject } from './state.ts';

const Filter = z.strictObject({
  propertyName: z.string(),
  operator: z.enum(['EQ', 'NEQ', 'IN', 'HAS_PROPERTY', 'NOT_HAS_PROPERTY', 'CONTAINS_TOKEN']),
  value: z.string().optional(),
  values: z.array(z.string()).optional(),
});

export const SearchRequest = z.strictObject({
  filterGroups: z
    .array(z.strictObject({ filters: z.array(Filter).max(6) }))
    .max(5)
    .default([]),
  query: z.string().max(3000).optional(),
  sorts: z
    .array(z.strictObject({ propertyName: z.string(), direction: z.enum(['ASCENDING', 'DESCENDING']) }))
    .max(1)
    .default([]),
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
    const sign = sort.direction === 'DESCENDING' ? -1 : 1;
    const key = (object: CrmObject) => object.properties[sort.propertyName] ?? '';
    found.sort((a, b) => sign * key(a).localeCompare(key(b), 'en', { numeric: true }));
  }
  const start = Number(request.after ?? 0);
  if (!Number.isInteger(start) || start + request.limit > MAX_RESULTS) throw validationError('Paging beyond 10,000.');
  return { total: found.length, start, results: found.slice(start, start + request.limit) };
};

const matches = (filter: z.output<typeof Filter>, properties: CrmObject['properties']): boolean => {
  const actual = properties[filter.propertyName] ?? null;
  switch (filter.operator) {
    case 'EQ':
      return actual === filter.value;
    case 'NEQ':
      return actual !== filter.value;
    case 'IN':
      return actual !== null && (filter.values ?? []).includes(actual);
    case 'HAS_PROPERTY':
      return actual !== null;
    case 'NOT_HAS_PROPERTY':
      return actual === null;
    case 'CONTAINS_TOKEN':
      return actual?.toLowerCase().includes((filter.value ?? '').replaceAll('*', '').toLowerCase()) ?? false;
  }
};
