import { currencyDigits, type Money, moneyFromUnits, unitsFromDecimal } from '../money.ts';
import type * as graph from './generated.ts';
import type { ApiAccount, ApiInvoice, ApiPayment, ApiRefund } from './upstream.ts';

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

/** Money from an amount as Stripe counts it. */
export const toMoney = (units: number, currency: string): Money =>
  moneyFromUnits(units, scaleOf(currency.toUpperCase()), currency.toUpperCase());

/** An amount as Stripe counts it; undefined where it is finer than the currency's smallest unit or Stripe's. */
export const toUnits = ({ amount, currency }: Pick<Money, 'amount' | 'currency'>): number | undefined =>
  unitsFromDecimal(amount, currencyDigits(currency)) === undefined
    ? undefined
    : unitsFromDecimal(amount, scaleOf(currency));

/** A point in time from seconds since 1970. */
export const toDateTime = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** What is owed on an account; null before its currency is decided. */
export const toBalance = ({ balance, currency }: ApiAccount): Money | null =>
  currency ? toMoney(balance, currency) : null;

/** What is owed in each currency, in the order of the accounts. */
export const toBalances = (accounts: readonly ApiAccount[]): Money[] => {
  const totals = new Map<string, number>();
  for (const { balance, currency } of accounts) {
    if (currency) totals.set(currency, (totals.get(currency) ?? 0) + balance);
  }
  return [...totals].map(([currency, total]) => toMoney(total, currency));
};

/** Whom a payment is of: nobody where the account was deleted or has no address. */
export const toCustomerRef = (customer: ApiPayment['customer']): CustomerRef | null =>
  customer && 'email' in customer && customer.email ? { email: customer.email.toLowerCase() } : null;
