/** The items of a list that could be read, and how many could not. */
export const splitItems = <Item>(items: readonly (Item | null)[]): { present: Item[]; missing: number } => {
  const present = items.filter((item) => item !== null);
  return { present, missing: items.length - present.length };
};
