/** An exact amount, as in the graph. */
export type Amount = { readonly amount: `${number}`; readonly currency: string };

/**
 * Formats an amount for display. `Intl` accepts decimals as text, so no digit is lost. Shows all decimals of the
 * amount, because a unit price can be finer than the currency's minor unit.
 */
export const formatMoney = ({ amount, currency }: Amount): string => {
  // `Intl` throws for a malformed currency code, which must not break the page.
  if (!/^[A-Z]{3}$/.test(currency)) return `${amount} ${currency}`;
  const digits = digitsOf(amount);
  const own = new Intl.NumberFormat(undefined, { style: 'currency', currency });
  const { maximumFractionDigits = 2 } = own.resolvedOptions();
  if (digits <= maximumFractionDigits) return own.format(amount);
  return new Intl.NumberFormat(undefined, { style: 'currency', currency, maximumFractionDigits: digits }).format(
    amount,
  );
};

const digitsOf = (amount: string): number => amount.split('.')[1]?.length ?? 0;

const toUnits = (amount: string, digits: number): bigint => {
  const [whole = '0', fraction = ''] = amount.split('.');
  return BigInt(`${whole}${fraction.padEnd(digits, '0')}`);
};

const toAmount = (units: bigint, digits: number): `${number}` => {
  const text = (units < 0n ? -units : units).toString().padStart(digits + 1, '0');
  const point = text.length - digits;
  const sign = units < 0n ? '-' : '';
  return `${sign}${text.slice(0, point)}${digits > 0 ? `.${text.slice(point)}` : ''}` as `${number}`;
};

/** Returns the exact sum of two amounts of one currency. */
export const add = (a: `${number}`, b: `${number}`): `${number}` => {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  return toAmount(toUnits(a, digits) + toUnits(b, digits), digits);
};

/** Returns the exact difference of two amounts of one currency. */
export const subtract = (a: `${number}`, b: `${number}`): `${number}` => {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  return toAmount(toUnits(a, digits) - toUnits(b, digits), digits);
};

/** Returns whether an amount is above zero. */
export const isPositive = (amount: string): boolean => toUnits(amount, digitsOf(amount)) > 0n;

/** Parses user input; undefined unless it is an amount above zero. */
export const readAmount = (text: string): `${number}` | undefined => {
  const amount = text.trim().replace(',', '.');
  return /^\d+(\.\d+)?$/.test(amount) && isPositive(amount) ? (amount as `${number}`) : undefined;
};
