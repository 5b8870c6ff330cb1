import { collate, toSqlNumber } from './identify.ts';

/** What the filters of `catalogProductList` are applied to. */
export type Filterable = { readonly id: string; readonly sku: string; readonly name: string };

type Condition = { readonly field: string; readonly operator: string; readonly value: string };

/**
 * The conditions of a `filters` element. Simple filters come before complex ones and win over them; of two complex ones
 * for the same field only the first has an effect, as in the shop (`parseFilters`, `prepareSqlCondition`).
 */
export const readFilters = (filters: unknown): readonly Condition[] => {
  const { filter, complex_filter: complex } = (filters ?? {}) as { filter?: unknown; complex_filter?: unknown };
  const conditions = new Map<string, Condition>();
  for (const entry of entriesOf(filter)) {
    const { key, value } = entry as { key: string; value: string };
    conditions.set(key, { field: key, operator: 'eq', value });
  }
  for (const entry of entriesOf(complex)) {
    const { key, value } = entry as { key: string; value: { key: string; value: string } };
    if (!conditions.has(key)) conditions.set(key, { field: key, operator: value.key, value: value.value });
  }
  return [...conditions.values()];
};

/** Whether a product meets all conditions; undefined where one is about a field that the stand-in does not have. */
export const matches = (item: Filterable, conditions: readonly Condition[]): boolean | undefined => {
  let isMatch = true;
  for (const { field, operator, value } of conditions) {
    const equals = comparatorOf(item, field);
    if (!equals) return undefined;
    isMatch &&= holds(operator, value, equals, field === 'product_id' ? item.id : fieldOf(item, field));
  }
  return isMatch;
};

/** The values that the conditions ask for, for the call log. */
export const valuesOf = (conditions: readonly Condition[]): string[] =>
  conditions.flatMap(({ operator, value }) => (isList(operator) ? value.split(',') : [value]));

const entriesOf = (array: unknown): readonly unknown[] => {
  const { complexObjectArray: entries } = (array ?? {}) as { complexObjectArray?: unknown };
  return Array.isArray(entries) ? entries : [];
};

// The only operators whose value is a list, which is cut at its commas: no way to write a comma within a value.
const isList = (operator: string): boolean => operator === 'in' || operator === 'nin';

const fieldOf = (item: Filterable, field: string): string => (field === 'sku' ? item.sku : item.name);

const comparatorOf = (item: Filterable, field: string): ((value: string) => boolean) | undefined => {
  if (field === 'product_id' || field === 'entity_id') return (value) => toSqlNumber(value) === Number(item.id);
  if (field !== 'sku' && field !== 'name') return undefined;
  return (value) => collate(value) === collate(fieldOf(item, field));
};

const holds = (operator: string, value: string, equals: (value: string) => boolean, text: string): boolean => {
  switch (operator) {
    case 'neq':
      return !equals(value);
    case 'in':
      return value.split(',').some(equals);
    case 'nin':
      return !value.split(',').some(equals);
    case 'like':
      return isLike(collate(text), collate(value));
    // The shop takes an operator that it does not know for `eq`.
    default:
      return equals(value);
  }
};

/** SQL's LIKE: `%` for any text, `_` for any character. */
const isLike = (text: string, pattern: string): boolean => {
  // Row by row of the table "does this much of the text match this much of the pattern".
  let row = Array.from({ length: text.length + 1 }, (_, index) => index === 0);
  for (const char of pattern) {
    const next = [char === '%' && row[0] === true];
    for (let index = 1; index <= text.length; index += 1) {
      const isMatch =
        char === '%'
          ? row[index] === true || next[index - 1] === true
          : row[index - 1] === true && (char === '_' || char === text[index - 1]);
      next.push(isMatch);
    }
    row = next;
  }
  return row[text.length] === true;
};
