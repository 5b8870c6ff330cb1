/** Money as in the graph's schema. `minorUnits` is null if the amount is not a whole number of minor units. */
export type Money = { readonly amount: string; readonly currency: string; readonly minorUnits: number | null };

// The decimals of the currencies in ISO 4217 that do not have two.
const DIGITS: ReadonlyMap<string, number> = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3] as const),
  ...'CLF UYW'.split(' ').map((code) => [code, 4] as const),
]);

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** Whether `code` is an ISO 4217 currency code, in upper case. */
export const isCurrency = (code: string): boolean => CURRENCIES.has(code);

/** Returns the number of decimals of a currency: 2 for most, 0 for JPY, 3 for KWD. */
export const currencyDigits = (currency: string): number => DIGITS.get(currency) ?? 2;

/** An exact decimal: `units` × 10^-`scale`. */
type Exact = { readonly units: bigint; readonly scale: number };

const DECIMAL = /^(-?)(\d{1,18})(?:\.(\d{1,18}))?$/;

/** Parses a decimal such as `-12.50`; undefined if it is not one, or has more than 18 digits on either side of the point. */
const parseDecimal = (text: string): Exact | undefined => {
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  return { units: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length };
};

/** Removes trailing zeros after the point, keeping at least `toScale` decimals. */
const trim = ({ units, scale }: Exact, toScale: number): Exact => {
  if (scale <= toScale) return { units: units * 10n ** BigInt(toScale - scale), scale: toScale };
  return units % 10n === 0n ? trim({ units: units / 10n, scale: scale - 1 }, toScale) : { units, scale };
};

const toText = ({ units, scale }: Exact): string => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${units < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
};

const toMoney = (exact: Exact, currency: string): Money => {
  const digits = currencyDigits(currency);
  const trimmed = trim(exact, digits);
  const whole = trimmed.scale === digits ? Number(trimmed.units) : Number.NaN;
  return { amount: toText(trimmed), currency, minorUnits: Number.isSafeInteger(whole) ? whole : null };
};

/**
 * Converts a provider's integer amount to Money. One major unit is 10^`scale` of the provider's units, which is not always
 * the currency's own scale: Stripe counts UGX in hundredths.
 */
export const moneyFromUnits = (units: number, scale: number, currency: string): Money =>
  toMoney({ units: BigInt(units), scale }, currency);

/** Converts a decimal in major units to Money; undefined if the text is not a decimal. */
export const moneyFromDecimal = (text: string, currency: string): Money | undefined => {
  const exact = parseDecimal(text);
  return exact && toMoney(exact, currency);
};

/** Whether a decimal has more than `scale` decimals, not counting trailing zeros. */
export const isFinerThan = (text: string, scale: number): boolean => {
  const exact = parseDecimal(text);
  return exact !== undefined && trim(exact, scale).scale > scale;
};

/** Converts a decimal in major units to an integer with `scale` decimals; undefined if that is inexact or beyond 53 bits. */
export const unitsFromDecimal = (text: string, scale: number): number | undefined => {
  const exact = parseDecimal(text);
  if (!exact) return undefined;
  const trimmed = trim(exact, scale);
  const units = Number(trimmed.units);
  return trimmed.scale === scale && Number.isSafeInteger(units) ? units : undefined;
};
