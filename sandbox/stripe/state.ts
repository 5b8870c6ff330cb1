import type Stripe from 'stripe';
import type { Company } from '../company.ts';
import { createRandom } from '../random.ts';
import { type PaymentSource, toCharge, toCustomer, toInvoice, toPaymentIntent, toRefund } from './objects.ts';

type Customer = ReturnType<typeof toCustomer>;
type Invoice = ReturnType<typeof toInvoice>;

/** What the provider's account holds. Lists are newest first, as the API answers them. */
export type StripeState = {
  readonly customers: Customer[];
  readonly paymentIntents: Stripe.PaymentIntent[];
  readonly charges: Map<string, Stripe.Charge>;
  readonly refunds: Stripe.Refund[];
  readonly invoices: Invoice[];
  /** Makes an id as the provider would: `re_3…`. */
  readonly newId: (prefix: string) => string;
};

const newestFirst = (a: { created: number; id: string }, b: { created: number; id: string }): number =>
  b.created - a.created || (a.id < b.id ? 1 : -1);

/** The company as its payment provider holds it. A fresh copy each time, so that one sandbox does not change another. */
export const createState = ({ accounts }: Pick<Company, 'accounts'>): StripeState => {
  const random = createRandom(4242);
  const state: StripeState = {
    customers: accounts.map(toCustomer),
    paymentIntents: [],
    charges: new Map(),
    refunds: [],
    invoices: accounts.flatMap((account) => account.invoices.map((invoice) => toInvoice(invoice, account))),
    newId: (prefix) => `${prefix}_3${random.token(23)}`,
  };
  for (const account of accounts) {
    for (const payment of account.payments) {
      const source: PaymentSource = {
        ...payment,
        currency: account.currency,
        customer: account.id,
        captureMethod: payment.status === 'requires_capture' ? 'manual' : 'automatic',
        clientSecret: `${payment.id}_secret_${random.token(25)}`,
      };
      const intent = toPaymentIntent(source);
      state.paymentIntents.push(intent);
      if (intent.latest_charge) {
        const refunded = payment.refunds.reduce((sum, refund) => sum + refund.amount, 0);
        state.charges.set(payment.chargeId, toCharge(source, refunded));
      }
      state.refunds.push(...payment.refunds.map((refund) => toRefund(refund, source)));
    }
  }
  for (const list of [state.customers, state.paymentIntents, state.refunds, state.invoices]) list.sort(newestFirst);
  return state;
};
