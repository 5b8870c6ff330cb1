import { z } from 'zod';
import { validationError } from './errors.ts';
import { positionOf, propertyOf } from './records.ts';
import type { CrmObject } from './state.ts';

// Fields that the operator does not need are allowed.
const AnyFilter = z.strictObject({
  propertyName: z.string(),
  value: z.string().optional(),
  highValue: z.string().optional(),
  values: z.array(z.string()).optional(),
});

const Filter = z.discriminatedUnion('operator', [
  AnyFilter.extend({ operator: z.enum(['HAS_PROPERTY', 'NOT_HAS_PROPERTY']) }),
  AnyFilter.extend({ operator: z.enum(['EQ', 'NEQ', 'LT', 'LTE', 'GT', 'GTE']), value: z.string() }),
  AnyFilter.extend({ operator: z.literal('BETWEEN'), value: z.string(), highValue: z.string() }),
  AnyFilter.extend({ operator: z.enum(['IN', 'NOT_IN']), values: z.array(z.string()).min(1) }),
  AnyFilter.extend({ operator: z.enum(['CONTAINS_TOKEN', 'NOT_CONTAINS_TOKEN']), value: z.string().trim().min(1) }),
]);

type Filter = z.output<typeof Filter>;

/**
 * The three forms of a sort: a property's name, the name with a minus for descending (as in the README of
 * @hubspot/api-client, and allowed by the OpenAPI document), or an object (as in the guide).
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

// The properties covered by the full-text search, of all object types.
const SEARCHABLE = ['firstname', 'lastname', 'email', 'phone', 'name', 'domain', 'dealname'];

/** Searches records. Filter groups are joined by OR, filters within a group by AND; a full-text query must match as well. */
export const search = (objects: Iterable<CrmObject>, request: z.output<typeof SearchRequest>) => {
  const start = positionOf(request.after);
  if (start + request.limit > MAX_RESULTS) throw validationError('Paging beyond 10,000.');
  const words = request.query?.toLowerCase().split(/\s+/).filter(Boolean) ?? [];
  const groups = request.filterGroups.map(({ filters }) => filters.map(toTest));
  const found = [...objects].filter(
    (object) =>
      (groups.length === 0 || groups.some((tests) => tests.every((test) => test(object)))) &&
      words.every((word) => SEARCHABLE.some((name) => propertyOf(object, name)?.toLowerCase().includes(word))),
  );
  const [sort] = request.sorts;
  if (sort) {
    const sign = sort.isDescending ? -1 : 1;
    const key = (object: CrmObject) => keyOf(sort.propertyName, propertyOf(object, sort.propertyName));
    found.sort((a, b) => sign * compare(key(a), key(b)));
  }
  return { total: found.length, start, results: found.slice(start, start + request.limit) };
};

const DATES: readonly string[] = ['closedate', 'createdate', 'hs_lastmodifieddate'];

/** Parses a date, in milliseconds or ISO 8601, to milliseconds. */
const timeOf = (text: string): number =>
  /^\d+$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;

/** The sort key of a value. */
type Key = number | string | null;

const keyOf = (name: string, value: string | null): Key => {
  if (value === null) return null;
  const time = DATES.includes(name) ? timeOf(value) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
};

const collator = new Intl.Collator('en');

/** Compares keys: unset values first, then numbers, then text in alphabetical order. */
const compare = (a: Key, b: Key): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return rankOf(a) - rankOf(b) || collator.compare(String(a), String(b));
};

const rankOf = (key: Key): number => (key === null ? 0 : typeof key === 'number' ? 1 : 2);

const HOLDS = {
  EQ: (order: number) => order === 0,
  NEQ: (order: number) => order !== 0,
  LT: (order: number) => order < 0,
  LTE: (order: number) => order <= 0,
  GT: (order: number) => order > 0,
  GTE: (order: number) => order >= 0,
};

/** Converts a filter to a predicate. Throws a validation error for a value that the property cannot have. */
const toTest = (filter: Filter): ((object: CrmObject) => boolean) => {
  const { propertyName: name } = filter;
  const keyIn = (object: CrmObject) => keyOf(name, propertyOf(object, name));
  const toFilterKey = (value: string) => {
    const key = keyOf(name, value);
    if (DATES.includes(name) && typeof key !== 'number') throw validationError(`${value} was not a valid date.`);
    return key;
  };
  switch (filter.operator) {
    case 'HAS_PROPERTY':
      return (object) => keyIn(object) !== null;
    case 'NOT_HAS_PROPERTY':
      return (object) => keyIn(object) === null;
    case 'BETWEEN': {
      const [low, high] = [toFilterKey(filter.value), toFilterKey(filter.highValue)];
      return (object) =>
        keyIn(object) !== null && compare(keyIn(object), low) >= 0 && compare(keyIn(object), high) <= 0;
    }
    case 'IN':
    case 'NOT_IN': {
      const wanted = filter.values.map(toFilterKey);
      const isIn = filter.operator === 'IN';
      return (object) => {
        const key = keyIn(object);
        return key !== null && wanted.some((one) => compare(key, one) === 0) === isIn;
      };
    }
    case 'CONTAINS_TOKEN':
      return (object) => hasTokens(propertyOf(object, name), filter.value);
    case 'NOT_CONTAINS_TOKEN':
      return (object) => !hasTokens(propertyOf(object, name), filter.value);
    default: {
      const [wanted, holds] = [toFilterKey(filter.value), HOLDS[filter.operator]];
      return (object) => {
        const key = keyIn(object);
        return key === null ? filter.operator === 'NEQ' : holds(compare(key, wanted));
      };
    }
  }
};

const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/**
 * Splits a text into tokens. HubSpot's guide does not define them; these are the words of Unicode's UAX #29, as in search
 * engines, and everything between spaces, because the guide finds addresses with `*@hubspot.com`.
 */
const tokensOf = (text: string): string[] => {
  const words = [...segmenter.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike ? [segment] : []));
  return [...words, ...text.split(/\s+/)];
};

const hasTokens = (actual: string | null, wanted: string): boolean => {
  if (actual === null) return false;
  const tokens = tokensOf(actual.toLowerCase());
  const patterns = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return patterns.every((pattern) => tokens.some((token) => matchesWildcards(pattern, token)));
};

/** Whether a token matches a pattern, in which `*` matches any characters. */
const matchesWildcards = (pattern: string, token: string): boolean => {
  const [first = '', ...parts] = pattern.split('*');
  const last = parts.pop();
  if (last === undefined) return token === first;
  let end = first.length;
  for (const part of parts) {
    const found = token.indexOf(part, end);
    if (found < 0) return false;
    end = found + part.length;
  }
  return token.startsWith(first) && token.endsWith(last) && end + last.length <= token.length;
};
