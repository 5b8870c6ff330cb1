import { z } from 'zod';
import { validationError } from './errors.ts';
import { positionOf, propertyOf } from './records.ts';
import type { CrmObject } from './state.ts';

// What an operator does not need may still be there.
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

/** The time that a date is, in milliseconds: as a number of them already, or in ISO 8601. */
const timeOf = (text: string): number =>
  /^\d+$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;

/** What a value is compared by. */
type Key = number | string | null;

const keyOf = (name: string, value: string | null): Key => {
  if (value === null) return null;
  const time = DATES.includes(name) ? timeOf(value) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
};

const collator = new Intl.Collator('en');

/** Numbers by their size and text in the order of the alphabet; what is not set comes first, and numbers before text. */
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

/** The test that a filter is. Refuses a value that its property cannot have. */
const toTest = (filter: Filter): ((object: CrmObject) => boolean) => {
  const { propertyName: name } = filter;
  const keyIn = (object: CrmObject) => keyOf(name, propertyOf(object, name));
  const keyOfAsked = (value: string) => {
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
      const [low, high] = [keyOfAsked(filter.value), keyOfAsked(filter.highValue)];
      return (object) =>
        keyIn(object) !== null && compare(keyIn(object), low) >= 0 && compare(keyIn(object), high) <= 0;
    }
    case 'IN':
    case 'NOT_IN': {
      const asked = filter.values.map(keyOfAsked);
      const isIn = filter.operator === 'IN';
      return (object) => {
        const key = keyIn(object);
        return key !== null && asked.some((one) => compare(key, one) === 0) === isIn;
      };
    }
    case 'CONTAINS_TOKEN':
      return (object) => hasTokens(propertyOf(object, name), filter.value);
    case 'NOT_CONTAINS_TOKEN':
      return (object) => !hasTokens(propertyOf(object, name), filter.value);
    default: {
      const [asked, holds] = [keyOfAsked(filter.value), HOLDS[filter.operator]];
      return (object) => {
        const key = keyIn(object);
        return key === null ? filter.operator === 'NEQ' : holds(compare(key, asked));
      };
    }
  }
};

const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/**
 * The tokens of a text. HubSpot's guide does not say where they end; these are the words of Unicode's UAX #29, as search engines have
 * them, and whatever stands between spaces, as the guide finds addresses with `*@hubspot.com`.
 */
const tokensOf = (text: string): string[] => {
  const words = [...segmenter.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike ? [segment] : []));
  return [...words, ...text.split(/\s+/)];
};

const hasTokens = (actual: string | null, asked: string): boolean => {
  if (actual === null) return false;
  const tokens = tokensOf(actual.toLowerCase());
  const patterns = asked.toLowerCase().split(/\s+/).filter(Boolean);
  return patterns.every((pattern) => tokens.some((token) => matchesWildcards(pattern, token)));
};

/** Whether a token is what a pattern says, in which `*` stands for any characters. */
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
