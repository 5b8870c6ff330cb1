/**
 * Product lookup as in a real shop, which does not compare identifiers byte by byte. Source: the code of OpenMage
 * (`getIdBySku`, `Stock_Item_Api::items`, `Stock_Item_Api_V2::update`, `prepareColumnValue`); tried on MariaDB with the
 * shop's column types and collation (`varchar(64)`, `utf8_general_ci`).
 */

/**
 * Removes case and accents. Approximates `utf8_general_ci`; the differences (`ß`, some letters with strokes) are
 * irrelevant to tests.
 */
export const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toUpperCase();

/** Normalizes a text as the shop's database compares it: ignoring case, accents and trailing spaces. */
export const collate = (text: string): string => {
  let end = text.length;
  while (end > 0 && text[end - 1] === ' ') end -= 1;
  return fold(text.slice(0, end));
};

const NUMBER_PREFIX = /^[ \t\n\r\v\f]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/;

/** Parses the number at the start of a text, as MySQL does to compare text with a number; 0 without one. */
export const toSqlNumber = (text: string): number => Number(NUMBER_PREFIX.exec(text)?.[1] ?? 0);

/** The same, truncated to an integer like PHP's `(int)`. */
export const toPhpInt = (text: string): number => Math.trunc(toSqlNumber(text));

/** Finds the first product whose SKU equals this one in the database's collation. */
export const findBySku = <Item extends { readonly sku: string }>(
  items: readonly Item[],
  text: string,
): Item | undefined => {
  const wanted = collate(text);
  return items.find(({ sku }) => collate(sku) === wanted);
};
