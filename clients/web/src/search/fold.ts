// Letters that Unicode does not take apart into a plain one and a mark.
const LETTERS: Readonly<Record<string, string>> = {
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ß: 'ss',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};

/** A text without capitals and accents, as a search compares it: `Ångström` is `angstrom`. */
export const fold = (text: string): string =>
  text
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .replace(/[æœøßłđðþı]/g, (letter) => LETTERS[letter] ?? letter);
