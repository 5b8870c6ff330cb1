import { isUnusable, toItemError } from '../../../connectors/reads/items.ts';
import { toAsciiLowerCase, toAsciiUpperCase } from '../../kit/ascii.ts';
import { currencyDigits, isFinerThan, type Money, moneyFromUnits, unitsFromDecimal } from '../../kit/money.ts';
import type * as graph from '../generated.ts';
import type { ApiInvoice, ApiPayment, ApiRefund, StripeCustomer } from './api.ts';
import { unusableOf } from './error-reasons.ts';
import type { Accounts } from './reads.ts';

/** A customer as this subgraph refers to one. */
export type CustomerRef = { readonly email: string | null };

export const PAYMENT_STATUS: Readonly<Record<ApiPayment['status'], graph.PaymentStatus>> = {
  requires_payment_method: 'REQUIRES_PAYMENT_METHOD',
  requires_confirmation: 'REQUIRES_CONFIRMATION',
  requires_action: 'REQUIRES_ACTION',
  requires_capture: 'REQUIRES_CAPTURE',
  processing: 'PROCESSING',
  succeeded: 'SUCCEEDED',
  canceled: 'CANCELED',
};

export const REFUND_STATUS: Readonly<Record<NonNullable<ApiRefund['status']>, graph.RefundStatus>> = {
  pending: 'PENDING',
  requires_action: 'REQUIRES_ACTION',
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  canceled: 'CANCELED',
};

export const REFUND_REASON: Readonly<Record<NonNullable<ApiRefund['reason']>, graph.RefundReason>> = {
  duplicate: 'DUPLICATE',
  fraudulent: 'FRAUDULENT',
  requested_by_customer: 'REQUESTED_BY_CUSTOMER',
  expired_uncaptured_charge: 'EXPIRED_UNCAPTURED_CHARGE',
};

export const INVOICE_STATUS: Readonly<Record<NonNullable<ApiInvoice['status']>, graph.InvoiceStatus>> = {
  draft: 'DRAFT',
  open: 'OPEN',
  paid: 'PAID',
  uncollectible: 'UNCOLLECTIBLE',
  void: 'VOID',
};

export const API_PAYMENT_STATUS: Readonly<Record<graph.PaymentStatus, ApiPayment['status']>> = {
  REQUIRES_PAYMENT_METHOD: 'requires_payment_method',
  REQUIRES_CONFIRMATION: 'requires_confirmation',
  REQUIRES_ACTION: 'requires_action',
  REQUIRES_CAPTURE: 'requires_capture',
  PROCESSING: 'processing',
  SUCCEEDED: 'succeeded',
  CANCELED: 'canceled',
};

export const API_REFUND_REASON = {
  DUPLICATE: 'duplicate',
  FRAUDULENT: 'fraudulent',
  REQUESTED_BY_CUSTOMER: 'requested_by_customer',
} as const satisfies Record<graph.RefundReasonInput, string>;

export const API_CANCELLATION_REASON = {
  DUPLICATE: 'duplicate',
  FRAUDULENT: 'fraudulent',
  REQUESTED_BY_CUSTOMER: 'requested_by_customer',
  ABANDONED: 'abandoned',
} as const satisfies Record<graph.CancellationReason, string>;

export const API_CAPTURE_METHOD = {
  AUTOMATIC: 'automatic',
  MANUAL: 'manual',
} as const satisfies Record<graph.CaptureMethod, string>;

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

/** A point in time from seconds since 1970. */
export const toDateTime = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** What is owed on an account; null before its currency is decided, and where Stripe does not say. */
export const toBalance = ({ balance, currency }: StripeCustomer): Money | null => toMoneyOrNull(balance, currency);

/**
 * What is owed in each currency, in the order of the accounts; null where an account does not say. Throws
 * UPSTREAM_BAD_RESPONSE where one cannot be used: the sum would be wrong.
 */
export const toBalances = (accounts: Accounts): Money[] | null => {
  const totals = new Map<string, number>();
  for (const account of accounts) {
    if (isUnusable(account)) throw toItemError('payments', account);
    const { balance, currency } = account;
    if (!currency) continue;
    if (balance === null) return null;
    totals.set(currency, (totals.get(currency) ?? 0) + balance);
  }
  return [...totals].map(([currency, total]) => toMoney(total, currency));
};

/** The amount given back of a payment; null where Stripe leaves out its charge or its currency. */
export const toAmountRefunded = ({ latest_charge, currency }: ApiPayment): Money | null =>
  latest_charge === undefined ? null : toMoneyOrNull(latest_charge?.amount_refunded ?? 0, currency);

/**
 * The customer of a payment: null where the account was deleted or has no address. Throws UPSTREAM_BAD_RESPONSE where Stripe
 * gives only the account's id, which does not tell.
 */
export const toCustomerRef = (customer: ApiPayment['customer']): CustomerRef | null => {
  if (!customer) return null;
  if (!customer.isExpanded) {
    throw unusableOf('GET /v1/payment_intents', 'unexpected customer');
  }
  return toRefByEmail(customer.email);
};

/** A customer by address; null without one. */
export const toRefByEmail = (email: string | null): CustomerRef | null =>
  email ? { email: toAsciiLowerCase(email) } : null;
