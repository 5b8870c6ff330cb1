/** Maximum length of a label value, in UTF-16 units. */
const MAX_CHARS = 128;

/** The value of all others. */
export const OTHER = '(other)';

/**
 * Bounds the values of one label: the first `max` different values keep their own, and all further ones become `(other)`. A value
 * is well-formed Unicode of at most 128 characters.
 */
export class LabelValues {
  readonly #max: number;
  readonly #known = new Set<string>([OTHER]);

  constructor(max: number) {
    this.#max = max;
  }

  of(text: string): string {
    // An empty value is none.
    if (text === '' || this.#known.has(text)) return text;
    const value = clean(text);
    if (this.#known.has(value)) return value;
    if (this.#known.size > this.#max) return OTHER;
    this.#known.add(value);
    return value;
  }
}

// Copied: a slice would keep the whole text in memory. Halves of surrogate pairs would be replaced when they are sent, and two
// different values could then be the same.
const clean = (text: string): string => Buffer.from(text.slice(0, MAX_CHARS)).toString();
