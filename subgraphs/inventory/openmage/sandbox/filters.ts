import { collate, fold, toSqlNumber } from './identify.ts';
import { Fault } from './messages.ts';

/*
 * The filters of `catalogProductList`, which the shop converts to SQL. Source: the code of OpenMage (`parseFilters`,
 * `_parseComplexFilter`, `formatFilterConditionValue`, `prepareSqlCondition`).
 */

/** An item that filters apply to. */
export type Filterable = { readonly id: string; readonly sku: string; readonly name: string };

/** Conditions by field: the first value of each operator. */
type Conditions = ReadonlyMap<string, ReadonlyMap<string, string>>;

type Test = (text: string) => boolean;

/** A value as the database compares it: numbers by size, strings by collation. */
type Weight = number | string;

type Weigh = (text: string) => Weight;

type Field = {
  /** Returns an item's value in the column. Every product has one. */
  readonly of: (item: Filterable) => string;
  readonly weigh: Weigh;
};

/** The id of a new shop's only attribute set. */
export const ATTRIBUTE_SET = '4';
export const PRODUCT_TYPE = 'simple';

const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['entity_id', { of: ({ id }) => id, weigh: toSqlNumber }],
  ['sku', { of: ({ sku }) => sku, weigh: collate }],
  ['name', { of: ({ name }) => name, weigh: collate }],
  ['attribute_set_id', { of: () => ATTRIBUTE_SET, weigh: toSqlNumber }],
  ['type_id', { of: () => PRODUCT_TYPE, weigh: collate }],
]);

/** The API's aliases of some columns (`_filtersMap`). */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['product_id', 'entity_id'],
  ['set', 'attribute_set_id'],
  ['type', 'type_id'],
]);

/** Converts a `filters` element to a predicate. Throws the shop's fault if it is invalid. */
export const createFilter = (filters: unknown): ((item: Filterable) => boolean) => {
  const tests = [...readFilters(filters)].map(([name, conditions]) => {
    const field = FIELDS.get(name);
    // The shop's code refers to the fault `filters_invalid`, which its products do not define.
    if (!field) throw new Fault(0, 'Unknown Error');
    const test = createTest(conditions, field.weigh);
    return (item: Filterable) => test(field.of(item));
  });
  return (item) => tests.every((test) => test(item));
};

/** Returns the values in the conditions, for the call log. */
export const valuesOf = (filters: unknown): string[] =>
  [...readFilters(filters).values()].flatMap((conditions) =>
    [...conditions].flatMap(([operator, value]) => (LISTS.has(operator) ? value.split(',') : [value])),
  );

/** Parses a `filters` element. A simple filter on a field overrides complex ones. */
const readFilters = (filters: unknown): Conditions => {
  const { filter, complex_filter: complex } = (filters ?? {}) as { filter?: unknown; complex_filter?: unknown };
  const byField = new Map<string, Map<string, string>>();
  for (const { key, value } of entriesOf<string>(filter)) byField.set(key, new Map([['eq', value]]));
  const simple = new Set(byField.keys());
  for (const { key, value } of entriesOf<{ key?: string; value?: string }>(complex)) {
    if (simple.has(key)) continue;
    const conditions = byField.get(key) ?? new Map<string, string>();
    const { key: operator = '', value: operand = '' } = value;
    if (!conditions.has(operator)) conditions.set(operator, operand);
    byField.set(key, conditions);
  }
  for (const [alias, name] of ALIASES) {
    const conditions = byField.get(alias);
    if (conditions) byField.set(name, conditions);
    byField.delete(alias);
  }
  return byField;
};

type Entry<Value> = { readonly key: string; readonly value: Value };

/** Returns the entries of an array that have both a key and a value. */
const entriesOf = <Value>(array: unknown): readonly Entry<Value>[] => {
  const { complexObjectArray: entries = [] } = (array ?? {}) as { complexObjectArray?: Partial<Entry<Value>>[] };
  return entries.filter((entry): entry is Entry<Value> => entry.key !== undefined && entry.value !== undefined);
};

// Operators whose value is split at commas, which cannot be escaped.
const LISTS: ReadonlySet<string> = new Set(['in', 'nin', 'finset']);

const isLess = (one: Weight, other: Weight): boolean =>
  typeof one === 'number' && typeof other === 'number' ? one < other : String(one) < String(other);

const isEqual = (value: string, weigh: Weigh): Test => isIn([value], weigh);

const isIn = (values: readonly string[], weigh: Weigh): Test => {
  const wanted = new Set(values.map(weigh));
  return (text) => wanted.has(weigh(text));
};

const not =
  (test: Test): Test =>
  (text) =>
    !test(text);

/** The fault of a failed SQL query, with the database's message. */
const sqlError = (message: string): Fault =>
  new Fault(1, `SQLSTATE[42000]: Syntax error or access violation: ${message}`);

/** SQL's FIND_IN_SET: matches one element of a comma-separated list. */
const isInSet = (values: readonly string[]): Test => {
  const [value = '', ...more] = values;
  if (more.length > 0) throw sqlError("1582 Incorrect parameter count in the call to native function 'FIND_IN_SET'");
  return (text) => text !== '' && text.split(',').some((one) => collate(one) === collate(value));
};

/**
 * SQL's LIKE: `%` matches any text, `_` any character; a backslash escapes them. Unlike the other comparisons, it does not
 * ignore trailing spaces.
 */
const isLike = (pattern: string): Test => {
  const parts = [...fold(pattern).matchAll(/\\(.)|([%_])|(.)/gsu)].map(([, escaped, wildcard, char]) => ({
    wildcard,
    char: escaped ?? char,
  }));
  return (text) => {
    const chars = [...fold(text)];
    // Dynamic programming over text prefixes: `row[n]` is whether the first n pattern characters match.
    let row = [true, ...chars.map(() => false)];
    for (const { wildcard, char } of parts) {
      const next = [wildcard === '%' && row[0] === true];
      for (const [index, one] of chars.entries()) {
        next.push(
          wildcard === '%'
            ? row[index + 1] === true || next[index] === true
            : row[index] === true && (wildcard === '_' || char === one),
        );
      }
      row = next;
    }
    return row[chars.length] === true;
  };
};

type Operator = (value: string, weigh: Weigh) => Test;

const OPERATORS: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    eq: isEqual,
    neq: (value, weigh) => not(isEqual(value, weigh)),
    like: isLike,
    nlike: (value) => not(isLike(value)),
    in: (value, weigh) => isIn(value.split(','), weigh),
    nin: (value, weigh) => not(isIn(value.split(','), weigh)),
    is: () => {
      // The shop quotes the value, and `IS 'text'` is not valid SQL.
      throw sqlError("1064 You have an error in your SQL syntax near 'IS'");
    },
    notnull: () => () => true,
    null: () => () => false,
    gt: (value, weigh) => (text) => isLess(weigh(value), weigh(text)),
    lt: (value, weigh) => (text) => isLess(weigh(text), weigh(value)),
    gteq: (value, weigh) => (text) => !isLess(weigh(text), weigh(value)),
    lteq: (value, weigh) => (text) => !isLess(weigh(value), weigh(text)),
    finset: (value) => isInSet(value.split(',')),
    // The shop supports it. The sandbox does not, because patterns from outside can block the process.
    regexp: () => {
      throw sqlError('The sandbox has no regular expressions.');
    },
    seq: (value, weigh) => (value === '' ? () => false : isEqual(value, weigh)),
    sneq: (value, weigh) => (value === '' ? () => true : not(isEqual(value, weigh))),
  } satisfies Record<string, Operator>),
);

/**
 * Creates the predicate of one field. A range of `from` and `to` takes precedence; of other operators only the first applies.
 * Unknown operators count as `eq`, and matching one of them is enough.
 */
const createTest = (conditions: ReadonlyMap<string, string>, weigh: Weigh): Test => {
  const [from, to] = [conditions.get('from'), conditions.get('to')];
  if (from !== undefined || to !== undefined) {
    const isWithin = (weight: Weight) =>
      (from === undefined || !isLess(weight, weigh(from))) && (to === undefined || !isLess(weigh(to), weight));
    return (text) => isWithin(weigh(text));
  }
  for (const [operator, value] of conditions) {
    const create = OPERATORS.get(operator);
    if (create) return create(value, weigh);
  }
  return isIn([...conditions.values()], weigh);
};
