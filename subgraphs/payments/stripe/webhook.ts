import { z } from 'zod';
import type { Changes } from '../../../connectors/reads/read.ts';
import { stripeSignature } from '../../../events/signatures/stripe.ts';
import type { Webhook } from '../../../events/webhook.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { PaymentMessage } from '../model.ts';
import type { StripeReads } from './reads.ts';

/* Stripe's events, and what they change. Source: https://docs.stripe.com/api/events/types */

/** Reference to an object that may be expanded. */
const Reference = z.union([z.string().min(1), z.object({ id: z.string().min(1) }).transform(({ id }) => id)]);
const OptionalReference = Reference.nullish().transform((id) => id ?? undefined);

const Email = z
  .string()
  .nullish()
  .transform((email) => email ?? undefined);

const Event = z.object({
  id: z.string().min(1),
  type: z.string().min(1),
  created: z.number().int(),
  data: z.looseObject({ object: z.looseObject({ object: z.string(), id: z.string().min(1).optional() }) }),
  request: z.unknown().optional(),
});

const Data = z.object({
  object: z.looseObject({ object: z.string() }),
  previous_attributes: z.record(z.string(), z.unknown()).nullish(),
});

const Payment = z.object({ id: z.string().min(1), customer: OptionalReference });
const Charge = z.object({ payment_intent: OptionalReference, customer: OptionalReference });
const Refund = z.object({ id: z.string().min(1), payment_intent: OptionalReference });
const Customer = z.object({ id: z.string().min(1), email: Email });
const Invoice = z.object({ id: z.string().min(1).optional(), customer: OptionalReference });

type StripeChanges = Changes<StripeReads>;

const NONE: StripeChanges = {};

/** Returns the changes of a payment and of an account's lists. `all` if the account is not known. */
const ofPayment = (payment: string | undefined, account: readonly string[] | 'all'): StripeChanges =>
  payment === undefined
    ? NONE
    : {
        payment: [payment],
        refunds: [payment],
        paymentLists: 'all',
        paymentPages: account,
        paymentsBySearch: account,
      };

const some = (id: string | undefined): readonly string[] => (id === undefined ? [] : [id]);

/** Returns the changes of a customer object. Payments are cached with their customer's address. */
const ofCustomer = (customer: unknown, previous: unknown): StripeChanges => {
  const { id, email } = Customer.parse(customer);
  const before = z.object({ email: Email }).safeParse(previous).data?.email;
  const emails = [...new Set([...some(email), ...some(before)])];
  const changes = { accounts: [...new Set(emails.map(toAsciiLowerCase))], accountsNow: emails };
  const hasNewAddress = z.object({ email: z.unknown() }).safeParse(previous).data?.email !== undefined;
  return hasNewAddress
    ? { ...changes, payment: 'all', paymentLists: 'all', paymentPages: [id], paymentsBySearch: [id] }
    : changes;
};

/** The changes of an event, by the kind of its object. Others change nothing that the graph reads. */
const CHANGES: Readonly<Record<string, (object: unknown, previous: unknown) => StripeChanges>> = {
  payment_intent: (object) => {
    const { id, customer } = Payment.parse(object);
    return ofPayment(id, some(customer));
  },
  charge: (object) => {
    const { payment_intent: payment, customer } = Charge.parse(object);
    return ofPayment(payment, some(customer));
  },
  // A refund does not name its customer, and lists of payments contain the refunds.
  refund: (object) => ofPayment(Refund.parse(object).payment_intent, 'all'),
  customer: ofCustomer,
  invoice: (object) => {
    const { id, customer } = Invoice.parse(object);
    return { invoice: some(id), invoicePages: some(customer) };
  },
};

const paymentChanged = (id: string | undefined): readonly PaymentMessage[] =>
  some(id).map((one) => ({ topic: 'paymentChanged', id: one }));

/** The messages of an event, by the kind of its object. */
const MESSAGES: Readonly<Record<string, (object: unknown, type: string) => readonly PaymentMessage[]>> = {
  payment_intent: (object) => paymentChanged(Payment.parse(object).id),
  charge: (object) => paymentChanged(Charge.parse(object).payment_intent),
  refund: (object, type) => {
    const { id, payment_intent: paymentId } = Refund.parse(object);
    const created: readonly PaymentMessage[] =
      type === 'refund.created' ? some(paymentId).map((one) => ({ topic: 'refundCreated', id, paymentId: one })) : [];
    return [...created, ...paymentChanged(paymentId)];
  },
};

/** Stripe's webhook. */
export const stripeWebhook: Webhook<StripeChanges, PaymentMessage> = {
  signature: stripeSignature,
  secret: 'The signing secrets of the webhook endpoint at Stripe, `whsec_…`.',
  // In live mode. Source: https://docs.stripe.com/webhooks#retries
  retriesForHours: 72,
  events: ({ body }) => {
    const event = Event.parse(body);
    const { id, type, created, data, request } = event;
    const { object, id: objectId } = data.object;
    return [
      {
        id,
        // Stripe may report a change twice, under two ids. What else differs between deliveries is left out.
        content: { type, created, data, request },
        type,
        object: objectId === undefined ? undefined : `${object} ${objectId}`,
        version: created * 1000,
        payload: data,
      },
    ];
  },
  changes: ({ payload }) => {
    const { object, previous_attributes: previous } = Data.parse(payload);
    return CHANGES[object.object]?.(object, previous) ?? NONE;
  },
  messages: ({ type, payload }) => {
    const { object } = Data.parse(payload);
    return MESSAGES[object.object]?.(object, type) ?? [];
  },
};
