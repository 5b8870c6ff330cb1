declare const TAG: unique symbol;

/**
 * The name of something that a write can change. Reads are tagged with it, and are used no longer once it is invalidated.
 * Only the functions below make one, so that a text cannot be given in its place.
 */
export type Tag = string & { readonly [TAG]: true };

/** The tag of a single thing, e.g. all pages of a list. */
export const createTag = (name: string): Tag => name as Tag;

/** The tags of things that are told apart by a key: `name` is what they all are. */
export const createKeyedTag =
  (name: string) =>
  (key: string): Tag =>
    `${name} ${key}` as Tag;
