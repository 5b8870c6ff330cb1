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
 * The payments subgraph's model of a payment system, independent of the provider.
 */

/** A customer. Addresses from the payment system are in lower case. */
export type Customer = { readonly email: string | null };

/** An account of a customer; a customer can have several. */
export type PaymentAccount = {
  readonly id: string;
  readonly name: string | null;
  /** The amount owed; null until the account has a currency, or if unknown. */
  readonly balance: Money | null;
  readonly createdAt: string;
};

/** A payment. Amounts are null if unknown. */
export type Payment = {
  readonly id: string;
  readonly status: PaymentStatus;
  readonly amount: Money | null;
  readonly amountReceived: Money | null;
  readonly amountRefunded: Money | null;
  readonly description: string | null;
  readonly createdAt: string;
  /** Null without a customer, or if the customer has no address. Throws UpstreamError if it cannot be determined. */
  readonly customer: Customer | null;
  /** Loads all refunds, newest first. An invalid one is an Error. Throws UpstreamError. */
  readonly refunds: () => Promise<readonly (Refund | Error)[]>;
  readonly externalIds: readonly ExternalId[];
};

export type Refund = {
  readonly id: string;
  readonly paymentId: string;
  readonly amount: Money;
  /** Null if unknown. */
  readonly status: RefundStatus | null;
  readonly reason: RefundReason | null;
  readonly createdAt: string;
};

export type Invoice = {
  readonly id: string;
  /** Null for a draft. */
  readonly number: string | null;
  /** Null until the invoice is finalized. */
  readonly status: InvoiceStatus | null;
  readonly total: Money;
  readonly amountRemaining: Money;
  readonly createdAt: string;
  /** Null if the invoice is charged automatically. */
  readonly dueDate: string | null;
  readonly customer: Customer | null;
};

/** A page of a list: its size and the cursor before it. */
export type Page = Pick<PagedList, 'first' | 'after'>;

/** Filter for payments. All set conditions must hold. */
export type PaymentFilter = {
  readonly status?: PaymentStatus | null | undefined;
  readonly createdFrom?: Date | null | undefined;
  readonly createdBefore?: Date | null | undefined;
};

/** An amount in an input, as parsed by the payment system's `amount` schema. */
export type Amount = {
  /** In major units. */
  readonly amount: string;
  /** ISO 4217, in upper case. */
  readonly currency: string;
  /** The amount in the payment system's units. */
  readonly units: number;
};

/** Schemas of inputs, which depend on the payment system, with their error messages. */
export type PaymentInputs = {
  readonly paymentId: z.ZodType<string>;
  readonly invoiceId: z.ZodType<string>;
  readonly paymentMethodId: z.ZodType<string>;
  readonly idempotencyKey: z.ZodType<string>;
  readonly amount: z.ZodType<Amount>;
};

export type NewPayment = {
  /** In lower case. Creates an account if the customer has none. */
  readonly customerEmail: string;
  readonly amount: Amount;
  readonly description?: string | null | undefined;
  /** A payment method to charge immediately. */
  readonly paymentMethodId?: string | null | undefined;
  readonly captureMethod: CaptureMethod;
  readonly idempotencyKey: string;
};

/** Common input of all changes of a payment. */
type PaymentChange = { readonly paymentId: string; readonly idempotencyKey: string };

export type Capture = PaymentChange & {
  /** Default: the full amount. */
  readonly amount?: Amount | null | undefined;
};

export type Cancellation = PaymentChange & { readonly reason?: CancellationReason | null | undefined };

export type NewRefund = PaymentChange & {
  /** Default: the remaining amount. */
  readonly amount?: Amount | null | undefined;
  readonly reason?: RefundReasonInput | null | undefined;
};

/**
 * A payment system, for one client request. Everything throws UpstreamError. Lists throw BAD_USER_INPUT for a cursor of
 * another list, writes for an amount in another currency than the payment's.
 */
export type Payments = {
  /** Null if it does not exist. */
  readonly payment: (id: string) => Promise<Payment | null>;
  /** Null if it does not exist. */
  readonly invoice: (id: string) => Promise<Invoice | null>;
  /** The customer of a payment or an invoice. Throws UpstreamError as the record does. */
  readonly customerOf: (record: Payment | Invoice) => Customer | null;
  /** All payments, newest first. */
  readonly payments: (filter: PaymentFilter, page: Page) => Promise<Connection<Payment>>;
  /** The payments in all of a customer's accounts, newest first. */
  readonly paymentsOf: (customer: Customer, page: Page) => Promise<Connection<Payment>>;
  /** The invoices in all of a customer's accounts, newest first. */
  readonly invoicesOf: (customer: Customer, page: Page) => Promise<Connection<Invoice>>;
  /** A customer's accounts, oldest first. An invalid one is an Error. */
  readonly accounts: (customer: Customer) => Promise<(PaymentAccount | Error)[]>;
  /** The amounts that a customer owes, one per currency; null if unknown. */
  readonly balances: (customer: Customer) => Promise<Money[] | null>;
  /** `clientSecret` lets the customer's app complete the payment. */
  readonly createPayment: (
    payment: NewPayment,
  ) => Promise<{ readonly payment: Payment; readonly clientSecret: string | null }>;
  readonly capturePayment: (capture: Capture) => Promise<Payment>;
  readonly cancelPayment: (cancellation: Cancellation) => Promise<Payment>;
  /** The payment is an Error if the refund succeeded but the payment cannot be read. */
  readonly refundPayment: (
    refund: NewRefund,
  ) => Promise<{ readonly refund: Refund; readonly payment: Payment | Error }>;
};

/** Messages to subscribers. */
export type PaymentChanged = { readonly topic: 'paymentChanged'; readonly id: string };
export type RefundCreated = { readonly topic: 'refundCreated'; readonly id: string; readonly paymentId: string };
export type PaymentMessage = PaymentChanged | RefundCreated;

/** The context of the resolvers. */
export type Context = { readonly payments: Payments };
