import { toAsciiUpperCase } from '../../kit/ascii.ts';
import { currencyDigits, isFinerThan, type Money, moneyFromUnits, unitsFromDecimal } from '../../kit/money.ts';

// Stripe's decimals, which differ from ISO 4217 for some currencies: MGA has none, ISK and UGX have two.
// Source: https://docs.stripe.com/currencies#zero-decimal, #three-decimal and #special-cases
const WHOLE = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '));
const THOUSANDTHS = new Set('BHD JOD KWD OMR TND'.split(' '));

const scaleOf = (currency: string): number => (WHOLE.has(currency) ? 0 : THOUSANDTHS.has(currency) ? 3 : 2);

/**
 * Maximum amount in Stripe's units: twelve digits by card and in IDR; fewer with other payment methods, where Stripe rejects
 * the request. Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
const MAX_UNITS = 999_999_999_999;

/** Converts an amount in Stripe's units to Money. */
export const toMoney = (units: number, currency: string): Money => {
  const code = toAsciiUpperCase(currency);
  return moneyFromUnits(units, scaleOf(code), code);
};

/** The same; null if Stripe omits the amount or its currency. */
export const toMoneyOrNull = (units: number | null, currency: string | null): Money | null =>
  units === null || currency === null ? null : toMoney(units, currency);

/** An amount in Stripe's units, or why it cannot be converted. */
type Units =
  | { readonly units: number; readonly problem?: undefined }
  | { readonly units?: undefined; readonly problem: string };

/**
 * Converts an amount to Stripe's units, or returns the problem: it has more decimals than the currency or Stripe allows, or is
 * above Stripe's maximum.
 */
export const toUnits = ({ amount, currency }: Pick<Money, 'amount' | 'currency'>): Units => {
  const scale = scaleOf(currency);
  if (isFinerThan(amount, Math.min(currencyDigits(currency), scale))) {
    return { problem: `is finer than the smallest unit of ${currency}` };
  }
  const units = unitsFromDecimal(amount, scale);
  if (units !== undefined && units <= MAX_UNITS) return { units };
  return { problem: `is too large: at most ${moneyFromUnits(MAX_UNITS, scale, currency).amount} ${currency}` };
};
