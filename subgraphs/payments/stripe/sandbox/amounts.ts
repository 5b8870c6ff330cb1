import { invalid, type StripeError } from './errors.ts';

/**
 * Minimum charge by currency, in Stripe's units. KWD has no documented minimum; this is the equivalent of 0.50 EUR, the
 * account's payout currency. Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
const MINIMUM: ReadonlyMap<string, number> = new Map([
  ['usd', 50],
  ['eur', 50],
  ['chf', 50],
  ['gbp', 30],
  ['jpy', 50],
  ['dkk', 250],
  ['sek', 300],
  ['nok', 300],
  ['pln', 200],
  ['kwd', 180],
]);

/** Maximum charge by card: twelve digits. */
const MAXIMUM = 999_999_999_999;

const ZERO_DECIMAL = 'jpy';
const THREE_DECIMAL = 'kwd';

/** Rejects a currency that the account cannot charge, and an amount below its minimum or above the maximum. */
export const checkAmount = (amount: number, currency: string): void => {
  const minimum = MINIMUM.get(currency);
  if (minimum === undefined) throw invalid(`Invalid currency: ${currency}.`, { param: 'currency' });
  if (amount > MAXIMUM) throw invalid('The amount is too large.', { code: 'amount_too_large', param: 'amount' });
  if (amount < minimum) throw tooSmall(minimum, currency);
  // https://docs.stripe.com/currencies#three-decimal
  if (currency === THREE_DECIMAL && amount % 10 !== 0) {
    throw invalid(`Amounts in ${currency} have to be rounded to the nearest ten.`, { param: 'amount' });
  }
};

const tooSmall = (minimum: number, currency: string): StripeError => {
  const digits = currency === ZERO_DECIMAL ? 0 : currency === THREE_DECIMAL ? 3 : 2;
  return invalid(`Amount must be at least ${(minimum / 10 ** digits).toFixed(digits)} ${currency}`, {
    code: 'amount_too_small',
    param: 'amount',
  });
};
