/** An exact amount, as the graph has it. */
export type Amount = { readonly amount: `${number}`; readonly currency: string };

/**
 * An amount as people read it. `Intl` takes the decimal as text, so no digit is lost; it never takes fewer digits than
 * the amount has, since a price per piece can be finer than the currency.
 */
export const formatMoney = ({ amount, currency }: Amount): string => {
  // `Intl` throws for what cannot be a currency's code; a page should not end for that.
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

/** The sum of two amounts of one currency, exact. */
export const add = (a: `${number}`, b: `${number}`): `${number}` => {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  return toAmount(toUnits(a, digits) + toUnits(b, digits), digits);
};

/** What is left of an amount, exact. */
export const subtract = (a: `${number}`, b: `${number}`): `${number}` => {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  return toAmount(toUnits(a, digits) - toUnits(b, digits), digits);
};

/** Whether it is more than nothing. */
export const isPositive = (amount: string): boolean => toUnits(amount, digitsOf(amount)) > 0n;

/** Reads what somebody has typed; undefined where it is no amount above zero. */
export const readAmount = (text: string): `${number}` | undefined => {
  const amount = text.trim().replace(',', '.');
  return /^\d+(\.\d+)?$/.test(amount) && isPositive(amount) ? (amount as `${number}`) : undefined;
};
