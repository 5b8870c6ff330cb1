/** An amount of money as the graph shows it. `minorUnits` is null where the amount is not a whole number of them. */
export type Money = { readonly amount: string; readonly currency: string; readonly minorUnits: number | null };

// ISO 4217, the currencies whose smallest unit is not a hundredth.
const DIGITS: ReadonlyMap<string, number> = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3] as const),
  ...'CLF UYW'.split(' ').map((code) => [code, 4] as const),
]);

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** Whether `code` is a currency of ISO 4217, in capitals. */
export const isCurrency = (code: string): boolean => CURRENCIES.has(code);

/** How many decimals a currency has: 2 for most, 0 for JPY, 3 for KWD. */
export const currencyDigits = (currency: string): number => DIGITS.get(currency) ?? 2;

/** A decimal number, exactly: `units` times ten to the power of minus `scale`. */
type Exact = { readonly units: bigint; readonly scale: number };

const DECIMAL = /^(-?)(\d{1,18})(?:\.(\d{1,18}))?$/;

/** Reads a decimal such as `-12.50`; undefined where it is none or has more than 18 digits on either side. */
const parseDecimal = (text: string): Exact | undefined => {
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  return { units: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length };
};

/** The same number with fewer decimals where the ones cut off are zero, but not fewer than `scale`. */
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
 * Money from a whole number of a provider's units, of which `scale` decimals make one major unit. The provider's scale
 * is not always the currency's: Stripe counts UGX in hundredths.
 */
export const moneyFromUnits = (units: number, scale: number, currency: string): Money =>
  toMoney({ units: BigInt(units), scale }, currency);

/** Money from a decimal in major units; undefined where the text is no decimal. */
export const moneyFromDecimal = (text: string, currency: string): Money | undefined => {
  const exact = parseDecimal(text);
  return exact && toMoney(exact, currency);
};

/** Whether a decimal has more digits after its point than `scale`, zeros at the end not counted. */
export const isFinerThan = (text: string, scale: number): boolean => {
  const exact = parseDecimal(text);
  return exact !== undefined && trim(exact, scale).scale > scale;
};

/** A decimal in major units as a whole number of units with `scale` decimals; undefined where that is not exact, also beyond 53 bits. */
export const unitsFromDecimal = (text: string, scale: number): number | undefined => {
  const exact = parseDecimal(text);
  if (!exact) return undefined;
  const trimmed = trim(exact, scale);
  const units = Number(trimmed.units);
  return trimmed.scale === scale && Number.isSafeInteger(units) ? units : undefined;
};
