/**
 * How a real shop finds a product by the text it is given, which is not by comparing texts byte by byte. Read in the
 * source of OpenMage (`getIdBySku`, `Stock_Item_Api::items`, `Stock_Item_Api_V2::update`, `prepareColumnValue`) and tried
 * on MariaDB with the shop's column types and collation (`varchar(64)`, `utf8_general_ci`).
 */

/**
 * A text without case and accents. Approximates `utf8_general_ci`; the differences (`ß`, some letters with strokes) are of
 * no use to a test.
 */
export const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toUpperCase();

/** A text as the shop's database compares it: without regard to case, accents or trailing spaces. */
export const collate = (text: string): string => {
  let end = text.length;
  while (end > 0 && text[end - 1] === ' ') end -= 1;
  return fold(text.slice(0, end));
};

const NUMBER_PREFIX = /^[ \t\n\r\v\f]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/;

/** The number at the start of a text, as MySQL reads it where a text is compared with a number; 0 without one. */
export const toSqlNumber = (text: string): number => Number(NUMBER_PREFIX.exec(text)?.[1] ?? 0);

/** The same cut to a whole number, as PHP's `(int)` does. */
export const toPhpInt = (text: string): number => Math.trunc(toSqlNumber(text));

/** The first product whose SKU the database takes for this one. */
export const findBySku = <Item extends { readonly sku: string }>(
  items: readonly Item[],
  text: string,
): Item | undefined => {
  const wanted = collate(text);
  return items.find(({ sku }) => collate(sku) === wanted);
};
