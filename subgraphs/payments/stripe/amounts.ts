import { toAsciiUpperCase } from '../../kit/ascii.ts';
import { currencyDigits, isFinerThan, type Money, moneyFromUnits, unitsFromDecimal } from '../../kit/money.ts';

// How Stripe counts, which is not always how ISO 4217 does: MGA by whole units, ISK and UGX by hundredths.
// Source: https://docs.stripe.com/currencies#zero-decimal, #three-decimal and #special-cases
const WHOLE = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '));
const THOUSANDTHS = new Set('BHD JOD KWD OMR TND'.split(' '));

const scaleOf = (currency: string): number => (WHOLE.has(currency) ? 0 : THOUSANDTHS.has(currency) ? 3 : 2);

/**
 * The largest amount that Stripe takes, in its units: twelve digits by card and in IDR, fewer by other methods of payment, where
 * Stripe itself refuses. Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
const MAX_UNITS = 999_999_999_999;

/** Money from an amount as Stripe counts it. */
export const toMoney = (units: number, currency: string): Money => {
  const code = toAsciiUpperCase(currency);
  return moneyFromUnits(units, scaleOf(code), code);
};

/** The same, and null where Stripe leaves the amount or its currency out. */
export const toMoneyOrNull = (units: number | null, currency: string | null): Money | null =>
  units === null || currency === null ? null : toMoney(units, currency);

/** An amount in Stripe's units, or why there is none. */
type Units =
  | { readonly units: number; readonly problem?: undefined }
  | { readonly units?: undefined; readonly problem: string };

/**
 * An amount as Stripe counts it, or the problem: it is finer than the currency's smallest unit or Stripe's, or larger than
 * Stripe takes.
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
