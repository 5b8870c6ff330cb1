import { expect, test } from 'vitest';
import { moneyFromDecimal, moneyFromUnits, unitsFromDecimal } from '../../subgraphs/kit/money.ts';
import { toMoney, toUnits } from '../../subgraphs/payments/stripe/amounts.ts';

test.each([
  ['12.5', 'EUR', '12.50', 1250],
  ['12', 'EUR', '12.00', 1200],
  ['-0.05', 'EUR', '-0.05', -5],
  ['0', 'EUR', '0.00', 0],
  ['1250', 'JPY', '1250', 1250],
  ['1250.00', 'JPY', '1250', 1250],
  ['1.25', 'KWD', '1.250', 1250],
  ['0.0025', 'USD', '0.0025', null],
  ['90071992547409.91', 'USD', '90071992547409.91', 9007199254740991],
  ['90071992547409.92', 'USD', '90071992547409.92', null],
  ['21474836.48', 'EUR', '21474836.48', 2147483648],
])('%s %s is %s with %s minor units', (text, currency, amount, minorUnits) => {
  expect(moneyFromDecimal(text, currency)).toEqual({ amount, currency, minorUnits });
});

test.each(['', 'a', '1e3', '1,5', '.5', '5.', '--1', '1234567890123456789'])('%j is not a decimal', (text) => {
  expect(moneyFromDecimal(text, 'EUR')).toBeUndefined();
  expect(unitsFromDecimal(text, 2)).toBeUndefined();
});

test('minor units keep every digit', () => {
  expect(moneyFromUnits(999_999_999_999, 2, 'EUR')).toMatchObject({
    amount: '9999999999.99',
    minorUnits: 999_999_999_999,
  });
});

// Stripe's decimals differ from ISO 4217 for some currencies.
test.each([
  ['ugx', 500, '5', 5],
  ['isk', 500, '5', 5],
  ['mga', 5, '5.00', 500],
  ['jpy', 500, '500', 500],
  ['kwd', 1250, '1.250', 1250],
  ['ugx', 550, '5.5', null],
])('Stripe’s %s %i is %s', (currency, units, amount, minorUnits) => {
  expect(toMoney(units, currency)).toEqual({ amount, currency: currency.toUpperCase(), minorUnits });
});

test.each([
  ['5', 'UGX', 500],
  ['5.5', 'UGX', 'is finer than the smallest unit of UGX'],
  ['5', 'MGA', 5],
  ['5.5', 'MGA', 'is finer than the smallest unit of MGA'],
  ['1.250', 'KWD', 1250],
  ['1.2505', 'KWD', 'is finer than the smallest unit of KWD'],
  ['12.50', 'EUR', 1250],
  ['12.500000', 'EUR', 1250],
  ['9999999999.99', 'EUR', 999_999_999_999],
  ['10000000000', 'EUR', 'is too large: at most 9999999999.99 EUR'],
  ['999999999999999', 'EUR', 'is too large: at most 9999999999.99 EUR'],
  ['999999999999999.001', 'EUR', 'is finer than the smallest unit of EUR'],
  ['999999999999', 'JPY', 999_999_999_999],
  ['999999999999999', 'JPY', 'is too large: at most 999999999999 JPY'],
  ['9999999999', 'UGX', 999_999_999_900],
  ['10000000000', 'UGX', 'is too large: at most 9999999999.99 UGX'],
])('%s %s becomes %s for Stripe', (amount, currency, expected) => {
  const { units, problem } = toUnits({ amount, currency });
  expect(units ?? problem).toBe(expected);
});
