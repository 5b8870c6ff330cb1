const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Maximum nesting of a JSON body. JSON.parse accepts any depth, but code that traverses the value would overflow the stack. */
export const MAX_JSON_DEPTH = 200;

export type JsonBounds = {
  /** Maximum nesting of lists and objects. */
  readonly depth: number;
  /** Maximum number of values at all levels, including lists and objects. Empty ones count twice. */
  readonly values: number;
};

/** Returns the first bound that JSON text exceeds, if any. Scans the text once; it need not be valid JSON. */
export const exceededJsonBound = (text: string, bounds: JsonBounds): keyof JsonBounds | undefined => {
  // Shorter text cannot exceed either bound.
  if (text.length <= bounds.depth && text.length <= bounds.values) return undefined;
  let depth = 0;
  let values = 1;
  let isString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (isString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) isString = false;
    } else if (code === QUOTE) isString = true;
    else if (code === COMMA) values += 1;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      depth += 1;
      values += 1;
      if (depth > bounds.depth) return 'depth';
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth -= 1;
    if (values > bounds.values) return 'values';
  }
  return undefined;
};
