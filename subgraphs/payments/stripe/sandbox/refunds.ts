import type Stripe from 'stripe';
import type { Context } from './context.ts';
import { invalid, missing } from './errors.ts';
import { change, record } from './events.ts';
import { toRefund } from './objects.ts';
import { wrongState } from './payments.ts';

const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const;

/** `POST /v1/refunds`, of a payment or of its charge. */
export const createRefund = (context: Context): Stripe.Refund => {
  const { state, params, now } = context;
  const wanted = params.integer('amount', { min: 1 });
  const reason = params.choice('reason', REASONS) ?? null;
  const metadata = params.metadata();
  const { intent, charge } = chargeToRefund(context);
  if (intent.status !== 'succeeded' || !charge) throw wrongState(intent, 'refunded');
  const left = charge.amount_captured - charge.amount_refunded;
  if (left === 0) {
    throw invalid(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
  }
  const amount = wanted ?? left;
  if (amount > left) {
    throw invalid(`Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`, {
      param: 'amount',
    });
  }
  const refund = Object.assign(
    toRefund(
      { id: state.newId('re'), amount, createdAt: new Date(now()), reason },
      {
        id: intent.id,
        chargeId: charge.id,
        currency: intent.currency,
        customer: intent.customer === null ? null : String(intent.customer),
      },
    ),
    { metadata },
  );
  charge.amount_refunded += amount;
  charge.refunded = charge.amount_refunded === charge.amount_captured;
  state.add('refunds', refund);
  record('charge.refunded', charge, context);
  record('refund.created', refund, context);
  return refund;
};

/** Finds the charge that a request names, directly or by its payment. A payment that was never charged has none. */
const chargeToRefund = ({
  state: { paymentIntents, charges },
  params,
}: Context): { intent: Stripe.PaymentIntent; charge: Stripe.Charge | undefined } => {
  const [chargeId, paymentId] = [params.text('charge'), params.text('payment_intent')];
  if (chargeId === undefined && paymentId === undefined) {
    throw invalid('One of the following params should be provided for this request: payment_intent or charge.', {
      code: 'parameter_missing',
    });
  }
  const named = charges.find(({ id }) => id === chargeId);
  if (chargeId !== undefined && !named) throw missing('charge', chargeId, 400, 'charge');
  const intentId = paymentId ?? String(named?.payment_intent);
  const intent = paymentIntents.find(({ id }) => id === intentId);
  if (!intent) throw missing('payment_intent', intentId, 400, 'payment_intent');
  if (named && named.payment_intent !== intent.id) {
    throw invalid(`Charge ${named.id} is not of the PaymentIntent ${intent.id}.`, { param: 'charge' });
  }
  return { intent, charge: named ?? charges.find(({ id }) => id === intent.latest_charge) };
};

/** `POST /v1/refunds/{id}`, which only changes metadata. */
export const updateRefund = (refund: Stripe.Refund, context: Context): Stripe.Refund => {
  const before = change(refund, { metadata: context.params.metadata(refund.metadata) });
  if (before) record('refund.updated', refund, context, before);
  return refund;
};
