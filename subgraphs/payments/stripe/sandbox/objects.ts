import type Stripe from 'stripe';
import type { Account, Payment, Refund } from '../../../../sandbox/company.ts';

/*
 * Stripe's objects with all their fields. `satisfies` checks each against the type in Stripe's SDK.
 * References to other objects are ids, as in the API unless they are expanded.
 */

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

export const toCustomer = (
  account: Pick<Account, 'id' | 'email' | 'balance' | 'createdAt'> & { name: string | null; currency: string | null },
): Stripe.Customer =>
  ({
    id: account.id,
    object: 'customer',
    address: null,
    balance: account.balance,
    created: seconds(account.createdAt),
    currency: account.currency,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: account.email,
    invoice_prefix: account.id.slice(-8).toUpperCase(),
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    livemode: false,
    metadata: {},
    name: account.name,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  }) satisfies Stripe.Customer;

export type PaymentSource = Pick<Payment, 'id' | 'chargeId' | 'amount' | 'status' | 'createdAt'> & {
  readonly currency: string;
  readonly customer: string | null;
  readonly description: string | null;
  readonly captureMethod: 'automatic' | 'automatic_async' | 'manual';
  readonly clientSecret: string;
};

const CHARGED: readonly Payment['status'][] = ['succeeded', 'requires_capture'];

/** The error of a declined card. */
export type Decline = { readonly code: string; readonly decline_code?: string; readonly message: string };

export const toPaymentIntent = (payment: PaymentSource): Stripe.PaymentIntent =>
  ({
    id: payment.id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: payment.amount,
    amount_capturable: payment.status === 'requires_capture' ? payment.amount : 0,
    amount_details: { tip: {} },
    amount_received: payment.status === 'succeeded' ? payment.amount : 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: { allow_redirects: 'never', enabled: true },
    canceled_at: payment.status === 'canceled' ? seconds(payment.createdAt) + 60 : null,
    cancellation_reason: payment.status === 'canceled' ? 'abandoned' : null,
    capture_method: payment.captureMethod,
    client_secret: payment.clientSecret,
    confirmation_method: 'automatic',
    created: seconds(payment.createdAt),
    currency: payment.currency,
    customer: payment.customer,
    customer_account: null,
    description: payment.description,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: CHARGED.includes(payment.status) ? payment.chargeId : null,
    livemode: false,
    managed_payments: null,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: CHARGED.includes(payment.status) ? 'pm_card_visa' : null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: payment.status,
    transfer_data: null,
    transfer_group: null,
  }) satisfies Stripe.PaymentIntent;

/** Creates the charge of a payment; failed if `decline` is given. */
export const toCharge = (payment: PaymentSource, refunded: number, decline?: Decline): Stripe.Charge =>
  ({
    id: payment.chargeId,
    object: 'charge',
    amount: payment.amount,
    amount_captured: payment.status === 'succeeded' ? payment.amount : 0,
    amount_refunded: refunded,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    calculated_statement_descriptor: 'TRIBUTARY',
    captured: payment.status === 'succeeded',
    created: seconds(payment.createdAt),
    currency: payment.currency,
    customer: payment.customer,
    description: payment.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: {},
    on_behalf_of: null,
    outcome: null,
    paid: !decline,
    payment_intent: payment.id,
    payment_method: 'pm_card_visa',
    payment_method_details: null,
    receipt_email: null,
    receipt_number: null,
    receipt_url: null,
    refunded: refunded > 0 && refunded === payment.amount,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: decline ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: null,
  }) satisfies Stripe.Charge;

export const toRefund = (
  refund: Refund & { reason?: Stripe.Refund.Reason | null },
  payment: Pick<PaymentSource, 'id' | 'chargeId' | 'currency' | 'customer'>,
): Stripe.Refund =>
  ({
    id: refund.id,
    object: 'refund',
    amount: refund.amount,
    balance_transaction: null,
    charge: payment.chargeId,
    created: seconds(refund.createdAt),
    currency: payment.currency,
    customer: payment.customer,
    customer_account: null,
    metadata: {},
    payment_intent: payment.id,
    payment_method: null,
    reason: refund.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: 'succeeded',
    transfer_reversal: null,
  }) satisfies Stripe.Refund;

/** Creates the payment method that an object refers to: Stripe's test card, whatever the id. */
export const toPaymentMethod = (
  id: string,
  { created, customer }: { readonly created?: unknown; readonly customer?: unknown },
): Stripe.PaymentMethod =>
  ({
    id,
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    card: {
      brand: id.endsWith('mastercard') ? 'mastercard' : 'visa',
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: 'US',
      display_brand: id.endsWith('mastercard') ? 'mastercard' : 'visa',
      exp_month: 12,
      exp_year: 2034,
      funding: 'credit',
      generated_from: null,
      last4: id.endsWith('mastercard') ? '4444' : '4242',
      networks: null,
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: Number(created),
    customer: typeof customer === 'string' ? customer : null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  }) satisfies Stripe.PaymentMethod;
