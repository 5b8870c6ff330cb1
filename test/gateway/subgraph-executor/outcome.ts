type Path = readonly (string | number)[];

/**
 * Returns the positions at which data is null because of an error. If several non-null fields of one object fail, timing decides
 * which one is reported, but the position is always the same.
 */
export const nullsOf = ({ data, errors }: Outcome): string[] =>
  [...new Set((errors ?? []).map(({ path = [] }) => JSON.stringify(findNull(data, path))))].sort();

type Outcome = {
  readonly data?: unknown;
  readonly errors?: readonly { readonly path?: Path | undefined }[] | undefined;
};

const findNull = (data: unknown, path: Path): Path => {
  let value = data;
  for (const [index, step] of path.entries()) {
    if (typeof value !== 'object' || value === null) return path.slice(0, index);
    value = Reflect.get(value, step);
  }
  return path;
};
