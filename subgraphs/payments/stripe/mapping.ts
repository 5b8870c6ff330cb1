import { type InvalidItem, isInvalidItem, itemOrError, toItemError } from '../../../connectors/reads/items.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { Money } from '../../kit/money.ts';
import type * as graph from '../generated.ts';
import type { Customer, Invoice, Payment, PaymentAccount, Refund } from '../model.ts';
import { toMoney, toMoneyOrNull } from './amounts.ts';
import type { ApiInvoice, ApiPayment, ApiRefund, StripeCustomer } from './api.ts';
import { badResponse } from './error-reasons.ts';
import type { Accounts } from './group-by-owner.ts';

const PAYMENT_STATUS: Readonly<Record<ApiPayment['status'], graph.PaymentStatus>> = {
  requires_payment_method: 'REQUIRES_PAYMENT_METHOD',
  requires_confirmation: 'REQUIRES_CONFIRMATION',
  requires_action: 'REQUIRES_ACTION',
  requires_capture: 'REQUIRES_CAPTURE',
  processing: 'PROCESSING',
  succeeded: 'SUCCEEDED',
  canceled: 'CANCELED',
};

const REFUND_STATUS: Readonly<Record<NonNullable<ApiRefund['status']>, graph.RefundStatus>> = {
  pending: 'PENDING',
  requires_action: 'REQUIRES_ACTION',
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  canceled: 'CANCELED',
};

const REFUND_REASON: Readonly<Record<NonNullable<ApiRefund['reason']>, graph.RefundReason>> = {
  duplicate: 'DUPLICATE',
  fraudulent: 'FRAUDULENT',
  requested_by_customer: 'REQUESTED_BY_CUSTOMER',
  expired_uncaptured_charge: 'EXPIRED_UNCAPTURED_CHARGE',
};

const INVOICE_STATUS: Readonly<Record<NonNullable<ApiInvoice['status']>, graph.InvoiceStatus>> = {
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

/** Loads all refunds of a payment; null without any. */
type LoadRefunds = (paymentId: string) => Promise<readonly (ApiRefund | InvalidItem)[] | null>;

/** A payment backed by Stripe's object. Each field is computed when it is selected, and fails on its own. */
export class StripePayment implements Payment {
  readonly #payment: ApiPayment;
  readonly #loadRefunds: LoadRefunds;

  constructor(payment: ApiPayment, loadRefunds: LoadRefunds) {
    this.#payment = payment;
    this.#loadRefunds = loadRefunds;
  }

  get id(): string {
    return this.#payment.id;
  }

  get status(): graph.PaymentStatus {
    return PAYMENT_STATUS[this.#payment.status];
  }

  get amount(): Money | null {
    return toMoneyOrNull(this.#payment.amount, this.#payment.currency);
  }

  get amountReceived(): Money | null {
    return toMoneyOrNull(this.#payment.amount_received, this.#payment.currency);
  }

  /** Null if Stripe omits the charge or its currency. */
  get amountRefunded(): Money | null {
    const { latest_charge, currency } = this.#payment;
    return latest_charge === undefined ? null : toMoneyOrNull(latest_charge?.amount_refunded ?? 0, currency);
  }

  get description(): string | null {
    return this.#payment.description;
  }

  get createdAt(): string {
    return toDateTime(this.#payment.created);
  }

  /**
   * Null if the account was deleted or has no address. Throws UPSTREAM_BAD_RESPONSE if Stripe returns only the account's id,
   * from which the address is unknown.
   */
  get customer(): Customer | null {
    const { customer } = this.#payment;
    if (!customer) return null;
    if (!customer.isExpanded) throw badResponse('GET /v1/payment_intents', 'unexpected customer');
    return toCustomer(customer.email);
  }

  async refunds(): Promise<(Refund | Error)[]> {
    const { id, latest_charge } = this.#payment;
    if (latest_charge === null) return [];
    // The payment includes its latest ten refunds.
    const { refunds } = latest_charge ?? {};
    const all = refunds && !refunds.has_more ? refunds.data : ((await this.#loadRefunds(id)) ?? []);
    return all.map((refund) =>
      itemOrError(
        'payments',
        mapItem(refund, (one) => toRefund(one, id)),
      ),
    );
  }

  get externalIds(): Payment['externalIds'] {
    return [{ system: 'stripe', id: this.#payment.id }];
  }
}

export const toRefund = ({ id, amount, currency, status, reason, created }: ApiRefund, paymentId: string): Refund => ({
  id,
  paymentId,
  amount: toMoney(amount, currency),
  status: status && REFUND_STATUS[status],
  reason: reason && REFUND_REASON[reason],
  createdAt: toDateTime(created),
});

export const toInvoice = (invoice: ApiInvoice): Invoice => ({
  id: invoice.id,
  number: invoice.number,
  status: invoice.status && INVOICE_STATUS[invoice.status],
  total: toMoney(invoice.total, invoice.currency),
  amountRemaining: toMoney(invoice.amount_remaining, invoice.currency),
  createdAt: toDateTime(invoice.created),
  dueDate: invoice.due_date === null ? null : toDateTime(invoice.due_date),
  customer: toCustomer(invoice.customer_email),
});

export const toPaymentAccount = ({ id, name, balance, currency, created }: StripeCustomer): PaymentAccount => ({
  id,
  name,
  balance: toMoneyOrNull(balance, currency),
  createdAt: toDateTime(created),
});

/**
 * Sums the amounts owed by currency, in the order of the accounts; null if an account's balance is unknown. Throws
 * UPSTREAM_BAD_RESPONSE if an account is invalid, because the sum would be wrong.
 */
export const toBalances = (accounts: Accounts): Money[] | null => {
  const totals = new Map<string, number>();
  for (const account of accounts) {
    if (isInvalidItem(account)) throw toItemError('payments', account);
    const { balance, currency } = account;
    if (!currency) continue;
    if (balance === null) return null;
    totals.set(currency, (totals.get(currency) ?? 0) + balance);
  }
  return [...totals].map(([currency, total]) => toMoney(total, currency));
};

/** Maps a list item; an invalid item is returned unchanged. */
export const mapItem = <Item, Result>(item: Item | InvalidItem, map: (item: Item) => Result): Result | InvalidItem =>
  isInvalidItem(item) ? item : map(item);

/** Converts Unix time in seconds to ISO 8601. */
const toDateTime = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** Maps an address to its customer; null without one. */
const toCustomer = (email: string | null): Customer | null => (email ? { email: toAsciiLowerCase(email) } : null);
