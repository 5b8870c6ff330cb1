import type Stripe from 'stripe';
import { checkAmount } from './amounts.ts';
import type { Context } from './context.ts';
import { invalid, missing, StripeError } from './errors.ts';
import { change, record } from './events.ts';
import { type Decline, type PaymentSource, toCharge, toPaymentIntent, toPaymentMethod } from './objects.ts';

const CAPTURE_METHODS = ['automatic', 'automatic_async', 'manual'] as const;
const CANCELLATION_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'] as const;

// The declines of Stripe's test payment methods.
const DECLINES: ReadonlyMap<string, Decline> = new Map([
  [
    'pm_card_chargeDeclined',
    { code: 'card_declined', decline_code: 'generic_decline', message: 'Your card was declined.' },
  ],
  [
    'pm_card_chargeDeclinedInsufficientFunds',
    { code: 'card_declined', decline_code: 'insufficient_funds', message: 'Your card has insufficient funds.' },
  ],
  ['pm_card_chargeDeclinedExpiredCard', { code: 'expired_card', message: 'Your card has expired.' }],
]);
const WORKING_CARDS = ['pm_card_visa', 'pm_card_mastercard'];

const customerOf = ({ state, params }: Context): string | null => {
  const customer = params.clearable('customer') ?? null;
  if (customer !== null && !state.customers.some(({ id }) => id === customer)) {
    throw missing('customer', customer, 400, 'customer');
  }
  return customer;
};

/** `POST /v1/payment_intents`; with `confirm` the card is charged immediately. */
export const createPayment = (context: Context): Stripe.PaymentIntent => {
  const { state, params, random, now } = context;
  params.required('amount');
  const amount = params.integer('amount', { min: 1 }) ?? 0;
  const currency = params.required('currency').toLowerCase();
  checkAmount(amount, currency);
  const customer = customerOf(context);
  const captureMethod = params.choice('capture_method', CAPTURE_METHODS) ?? 'automatic';
  const metadata = params.metadata();
  const isConfirmed = params.boolean('confirm') ?? false;
  const card = params.text('payment_method');
  if (isConfirmed && !card) {
    throw invalid('You cannot confirm without a payment method.', { code: 'parameter_missing' });
  }
  if (card && !DECLINES.has(card) && !WORKING_CARDS.includes(card)) {
    throw missing('PaymentMethod', card, 400, 'payment_method');
  }

  const id = state.newId('pi');
  const source: PaymentSource = {
    id,
    chargeId: state.newId('ch'),
    amount,
    currency,
    customer,
    captureMethod,
    description: params.clearable('description') ?? null,
    clientSecret: `${id}_secret_${random.token(25)}`,
    createdAt: new Date(now()),
    status: 'requires_payment_method',
  };
  const intent = Object.assign(toPaymentIntent(source), { metadata });
  state.add('paymentIntents', intent);
  record('payment_intent.created', intent, context);
  if (isConfirmed && card) charge(intent, source, card, context);
  return intent;
};

/** Charges the card. The payment becomes paid or capturable; if the card is declined, it stays open and the error is thrown. */
const charge = (intent: Stripe.PaymentIntent, source: PaymentSource, card: string, context: Context): void => {
  const decline = DECLINES.get(card);
  const isHeld = source.captureMethod === 'manual';
  const paid: PaymentSource = { ...source, status: isHeld ? 'requires_capture' : 'succeeded' };
  const newCharge = Object.assign(toCharge(decline ? source : paid, 0, decline), {
    payment_method: card,
    metadata: intent.metadata,
  });
  context.state.add('charges', newCharge);
  if (decline) {
    const error = { type: 'card_error', charge: newCharge.id, ...decline } as const;
    Object.assign(intent, {
      latest_charge: newCharge.id,
      last_payment_error: { ...error, payment_method: toPaymentMethod(card, newCharge) },
    });
    record('charge.failed', newCharge, context);
    record('payment_intent.payment_failed', intent, context);
    throw new StripeError(402, { ...error, payment_intent: structuredClone(intent) });
  }
  Object.assign(intent, toPaymentIntent(paid), { payment_method: card, metadata: intent.metadata });
  record('charge.succeeded', newCharge, context);
  record(isHeld ? 'payment_intent.amount_capturable_updated' : 'payment_intent.succeeded', intent, context);
};

/** `POST /v1/payment_intents/{id}`. The amount and the customer can be changed until it is paid. */
export const updatePayment = (intent: Stripe.PaymentIntent, context: Context): Stripe.PaymentIntent => {
  const { params } = context;
  const [amount, currency] = [params.integer('amount', { min: 1 }), params.text('currency')?.toLowerCase()];
  if (amount !== undefined || currency !== undefined) {
    if (intent.status !== 'requires_payment_method') throw wrongState(intent, 'updated');
    checkAmount(amount ?? intent.amount, currency ?? intent.currency);
  }
  const description = params.clearable('description');
  change(intent, {
    metadata: params.metadata(intent.metadata),
    ...(amount !== undefined && { amount }),
    ...(currency !== undefined && { currency }),
    ...(description !== undefined && { description }),
    ...(params.text('customer') !== undefined && { customer: customerOf(context) }),
  });
  return intent;
};

export const wrongState = (intent: Stripe.PaymentIntent, verb: string): StripeError =>
  invalid(`This PaymentIntent could not be ${verb} because it has a status of ${intent.status}.`, {
    code: 'payment_intent_unexpected_state',
  });

/** `POST /v1/payment_intents/{id}/capture` */
export const capturePayment = (intent: Stripe.PaymentIntent, context: Context): Stripe.PaymentIntent => {
  const { state, params } = context;
  const amount = params.integer('amount_to_capture', { min: 1 }) ?? intent.amount_capturable;
  const metadata = params.metadata(intent.metadata);
  if (intent.status !== 'requires_capture') throw wrongState(intent, 'captured');
  if (amount > intent.amount_capturable) {
    throw invalid('The amount is larger than what can be captured.', {
      code: 'amount_too_large',
      param: 'amount_to_capture',
    });
  }
  Object.assign(intent, { status: 'succeeded', amount_received: amount, amount_capturable: 0, metadata });
  const charge = state.charges.find(({ id }) => id === intent.latest_charge);
  if (charge) {
    Object.assign(charge, { captured: true, amount_captured: amount });
    record('charge.captured', charge, context);
  }
  record('payment_intent.succeeded', intent, context);
  return intent;
};

/**
 * `POST /v1/payment_intents/{id}/cancel`. The charge of a capturable payment stays neither captured nor refunded: since API
 * version 2025-03-31.basil, a cancellation is not a refund.
 * Source: https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
 */
export const cancelPayment = (intent: Stripe.PaymentIntent, context: Context): Stripe.PaymentIntent => {
  const reason = context.params.choice('cancellation_reason', CANCELLATION_REASONS) ?? null;
  if (!['requires_payment_method', 'requires_capture', 'requires_confirmation'].includes(intent.status)) {
    throw wrongState(intent, 'canceled');
  }
  Object.assign(intent, {
    status: 'canceled',
    amount_capturable: 0,
    canceled_at: Math.floor(context.now() / 1000),
    cancellation_reason: reason,
  });
  record('payment_intent.canceled', intent, context);
  return intent;
};
