/** Splits a list into its readable items and the number of unreadable ones. */
export const splitItems = <Item>(items: readonly (Item | null)[]): { present: Item[]; missing: number } => {
  const present = items.filter((item) => item !== null);
  return { present, missing: items.length - present.length };
};
