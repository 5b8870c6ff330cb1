import type Stripe from 'stripe';
import { invalid, missing, StripeError } from './errors.ts';
import { type PaymentSource, toCharge, toPaymentIntent, toRefund } from './objects.ts';
import type { Context } from './routes.ts';

const CURRENCIES = new Set(['usd', 'eur', 'sek', 'gbp', 'jpy', 'kwd', 'chf', 'nok', 'dkk', 'pln']);
const CAPTURE_METHODS = ['automatic', 'automatic_async', 'manual'] as const;
const REFUND_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const;
const CANCELLATION_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'] as const;

// The provider's test payment methods: what each card answers when it is charged.
const DECLINES: Readonly<Record<string, { code: string; decline_code?: string }>> = {
  pm_card_chargeDeclined: { code: 'card_declined', decline_code: 'generic_decline' },
  pm_card_chargeDeclinedInsufficientFunds: { code: 'card_declined', decline_code: 'insufficient_funds' },
  pm_card_chargeDeclinedExpiredCard: { code: 'expired_card' },
};
const WORKING_CARDS = ['pm_card_visa', 'pm_card_mastercard'];

const choice = <T extends string>(value: string | undefined, choices: readonly T[], param: string): T | undefined => {
  if (value === undefined) return undefined;
  const found = choices.find((one) => one === value);
  if (!found) throw invalid(`Invalid ${param}: must be one of ${choices.join(', ')}`, { param });
  return found;
};

/** `POST /v1/payment_intents`; with `confirm` the card is charged at once. */
export const createPayment = ({ state, params, random, now }: Context): Stripe.PaymentIntent => {
  params.required('amount');
  const amount = params.integer('amount', { min: 1 }) ?? 0;
  // Twelve digits by card: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
  if (amount > 999_999_999_999)
    throw invalid('The amount is too large.', { code: 'amount_too_large', param: 'amount' });
  const currency = params.required('currency').toLowerCase();
  if (!CURRENCIES.has(currency)) throw invalid(`Invalid currency: ${currency}.`, { param: 'currency' });
  const customer = params.text('customer') ?? null;
  if (customer && !state.customers.some(({ id }) => id === customer))
    throw missing('customer', customer, 400, 'customer');
  const captureMethod = choice(params.text('capture_method'), CAPTURE_METHODS, 'capture_method') ?? 'automatic';

  const id = state.newId('pi');
  const source: PaymentSource = {
    id,
    chargeId: state.newId('ch'),
    amount,
    currency,
    customer,
    captureMethod,
    description: params.text('description') ?? null,
    clientSecret: `${id}_secret_${random.token(25)}`,
    createdAt: new Date(now()),
    status: 'requires_payment_method',
  };
  if (params.text('confirm') === 'true') charge(params.text('payment_method'));
  const paid: PaymentSource =
    params.text('confirm') === 'true'
      ? { ...source, status: captureMethod === 'manual' ? 'requires_capture' : 'succeeded' }
      : source;
  const intent = toPaymentIntent(paid);
  state.paymentIntents.unshift(intent);
  if (intent.latest_charge) state.charges.set(paid.chargeId, toCharge(paid, 0));
  return intent;
};

const charge = (paymentMethod: string | undefined): void => {
  if (!paymentMethod) throw invalid('You cannot confirm without a payment method.', { code: 'parameter_missing' });
  const decline = DECLINES[paymentMethod];
  if (decline) throw new StripeError(402, { type: 'card_error', message: 'Your card was declined.', ...decline });
  if (!WORKING_CARDS.includes(paymentMethod)) throw missing('PaymentMethod', paymentMethod, 400, 'payment_method');
};

const wrongState = (intent: Stripe.PaymentIntent, verb: string): StripeError =>
  invalid(`This PaymentIntent could not be ${verb} because it has a status of ${intent.status}.`, {
    code: 'payment_intent_unexpected_state',
  });

/** `POST /v1/payment_intents/{id}/capture` */
export const capturePayment = (intent: Stripe.PaymentIntent, { state, params }: Context): Stripe.PaymentIntent => {
  if (intent.status !== 'requires_capture') throw wrongState(intent, 'captured');
  const amount = params.integer('amount_to_capture', { min: 1 }) ?? intent.amount_capturable;
  if (amount > intent.amount_capturable) {
    throw invalid('The amount is larger than what can be captured.', {
      code: 'amount_too_large',
      param: 'amount_to_capture',
    });
  }
  Object.assign(intent, { status: 'succeeded', amount_received: amount, amount_capturable: 0 });
  const made = state.charges.get(String(intent.latest_charge));
  if (made) Object.assign(made, { captured: true, amount_captured: amount });
  return intent;
};

/** `POST /v1/payment_intents/{id}/cancel` */
export const cancelPayment = (intent: Stripe.PaymentIntent, { params, now }: Context): Stripe.PaymentIntent => {
  if (!['requires_payment_method', 'requires_capture', 'requires_confirmation'].includes(intent.status)) {
    throw wrongState(intent, 'canceled');
  }
  return Object.assign(intent, {
    status: 'canceled',
    amount_capturable: 0,
    canceled_at: Math.floor(now() / 1000),
    cancellation_reason:
      choice(params.text('cancellation_reason'), CANCELLATION_REASONS, 'cancellation_reason') ?? null,
  });
};

/** `POST /v1/refunds` */
export const refundPayment = ({ state, params, now }: Context): Stripe.Refund => {
  const id = params.required('payment_intent');
  const intent = state.paymentIntents.find((one) => one.id === id);
  if (!intent) throw missing('payment_intent', id, 400, 'payment_intent');
  const charged = state.charges.get(String(intent.latest_charge));
  if (intent.status !== 'succeeded' || !charged) throw wrongState(intent, 'refunded');
  const left = charged.amount_captured - charged.amount_refunded;
  if (left === 0) {
    throw invalid(`Charge ${charged.id} has already been refunded.`, { code: 'charge_already_refunded' });
  }
  const amount = params.integer('amount', { min: 1 }) ?? left;
  if (amount > left) throw invalid('Refund amount is greater than unrefunded amount on charge.', { param: 'amount' });
  const refund = toRefund(
    {
      id: state.newId('re'),
      amount,
      createdAt: new Date(now()),
      reason: choice(params.text('reason'), REFUND_REASONS, 'reason') ?? null,
    },
    { id: intent.id, chargeId: charged.id, currency: intent.currency, customer: String(intent.customer) },
  );
  charged.amount_refunded += amount;
  charged.refunded = charged.amount_refunded === charged.amount_captured;
  state.refunds.unshift(refund);
  return refund;
};
