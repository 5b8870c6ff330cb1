import type { z } from 'zod';
import type { Connection, PagedList } from '../kit/connection.ts';
import type { Money } from '../kit/money.ts';
import type {
  CancellationReason,
  CaptureMethod,
  ExternalId,
  InvoiceStatus,
  PaymentStatus,
  RefundReason,
  RefundReasonInput,
  RefundStatus,
} from './generated.ts';

/*
 * What the payments subgraph knows of a payment system, whichever it is.
 */

/** A customer. An address that the payment system gives is in lower case. */
export type Customer = { readonly email: string | null };

/** One account of a customer. */
export type PaymentAccount = {
  readonly id: string;
  readonly name: string | null;
  /** What is owed on it; null before its currency is decided, and where the payment system does not say. */
  readonly balance: Money | null;
  readonly createdAt: string;
};

/** A payment. Amounts are null where the payment system does not say. */
export type Payment = {
  readonly id: string;
  readonly status: PaymentStatus;
  readonly amount: Money | null;
  readonly amountReceived: Money | null;
  readonly amountRefunded: Money | null;
  readonly description: string | null;
  readonly createdAt: string;
  /** Null without a customer, or with one that has no address. Throws UpstreamError where that cannot be told. */
  readonly customer: Customer | null;
  /** Newest first. One that cannot be used is an Error. Throws UpstreamError. */
  readonly refunds: () => Promise<readonly (Refund | Error)[]>;
  readonly externalIds: readonly ExternalId[];
};

export type Refund = {
  readonly id: string;
  readonly amount: Money;
  /** Null where the payment system does not say. */
  readonly status: RefundStatus | null;
  readonly reason: RefundReason | null;
  readonly createdAt: string;
};

export type Invoice = {
  readonly id: string;
  /** Null for a draft. */
  readonly number: string | null;
  /** Null before it is finished. */
  readonly status: InvoiceStatus | null;
  readonly total: Money;
  readonly amountRemaining: Money;
  readonly createdAt: string;
  /** Null where it is charged automatically. */
  readonly dueDate: string | null;
  readonly customer: Customer | null;
};

/** Which page of a list: how many, and after which cursor. */
export type Page = Pick<PagedList, 'first' | 'after'>;

/** Which payments to list. All that is set has to hold. */
export type PaymentFilter = {
  readonly status?: PaymentStatus | null | undefined;
  readonly createdFrom?: Date | null | undefined;
  readonly createdBefore?: Date | null | undefined;
};

/** An amount that the payment system takes, as it came from its `amount` schema. */
export type Amount = {
  /** In major units. */
  readonly amount: string;
  /** ISO 4217, in capitals. */
  readonly currency: string;
  /** The same in the payment system's own units. */
  readonly units: number;
};

/** What the payment system takes in inputs, and in which words it is refused. */
export type PaymentInputs = {
  readonly paymentId: z.ZodType<string>;
  readonly invoiceId: z.ZodType<string>;
  readonly paymentMethodId: z.ZodType<string>;
  readonly idempotencyKey: z.ZodType<string>;
  readonly amount: z.ZodType<Amount>;
};

export type NewPayment = {
  /** In lower case. Without an account the customer gets one. */
  readonly customerEmail: string;
  readonly amount: Amount;
  readonly description?: string | null | undefined;
  /** A payment method to charge at once. */
  readonly paymentMethodId?: string | null | undefined;
  readonly captureMethod: CaptureMethod;
  readonly idempotencyKey: string;
};

/** A change of a payment. */
type PaymentChange = { readonly paymentId: string; readonly idempotencyKey: string };

export type Capture = PaymentChange & {
  /** Default: all of it. */
  readonly amount?: Amount | null | undefined;
};

export type Cancellation = PaymentChange & { readonly reason?: CancellationReason | null | undefined };

export type NewRefund = PaymentChange & {
  /** Default: all that is left. */
  readonly amount?: Amount | null | undefined;
  readonly reason?: RefundReasonInput | null | undefined;
};

/**
 * A payment system, for one client request. Everything throws UpstreamError; lists throw BAD_USER_INPUT for a cursor that is
 * not theirs, writes for an amount in another currency than the payment's.
 */
export type Payments = {
  /** Null where there is none. */
  readonly payment: (id: string) => Promise<Payment | null>;
  /** Null where there is none. */
  readonly invoice: (id: string) => Promise<Invoice | null>;
  /** All payments, newest first. */
  readonly payments: (filter: PaymentFilter, page: Page) => Promise<Connection<Payment>>;
  /** The payments in all of a customer's accounts, newest first. */
  readonly paymentsOf: (customer: Customer, page: Page) => Promise<Connection<Payment>>;
  /** The invoices in all of a customer's accounts, newest first. */
  readonly invoicesOf: (customer: Customer, page: Page) => Promise<Connection<Invoice>>;
  /** A customer's accounts, oldest first. One that cannot be used is an Error. */
  readonly accounts: (customer: Customer) => Promise<(PaymentAccount | Error)[]>;
  /** What a customer owes in each currency; null where the payment system does not say. */
  readonly balances: (customer: Customer) => Promise<Money[] | null>;
  /** `clientSecret` lets the customer's app complete the payment. */
  readonly createPayment: (
    payment: NewPayment,
  ) => Promise<{ readonly payment: Payment; readonly clientSecret: string | null }>;
  readonly capturePayment: (capture: Capture) => Promise<Payment>;
  readonly cancelPayment: (cancellation: Cancellation) => Promise<Payment>;
  /** The payment is an Error where the refund was made and the payment cannot be read. */
  readonly refundPayment: (
    refund: NewRefund,
  ) => Promise<{ readonly refund: Refund; readonly payment: Payment | Error }>;
};

/** The context of the resolvers. */
export type Context = { readonly payments: Payments };
