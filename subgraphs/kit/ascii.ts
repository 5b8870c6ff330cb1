/*
 * ASCII case conversion of identifiers from outside: email addresses, currency codes. JavaScript's own conversion also maps
 * letters of other scripts to ASCII: the Kelvin sign (U+212A) to `k`, the dotless `\u0131` to `I`, the long `\u017f` to `S`. An
 * address with such a letter would match another customer.
 */

/** Converts A to Z to lower case and leaves every other character alone. */
export const toAsciiLowerCase = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Converts a to z to upper case and leaves every other character alone. */
export const toAsciiUpperCase = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
