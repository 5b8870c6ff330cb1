import type Stripe from 'stripe';
import { MAX_KEPT } from '../../../../sandbox/bounds.ts';
import type { Company } from '../../../../sandbox/company.ts';
import { createRandom } from '../../../../sandbox/random.ts';
import { toInvoice } from './invoices.ts';
import { type PaymentSource, toCharge, toCustomer, toPaymentIntent, toRefund } from './objects.ts';

/** What the provider's account holds. Lists are newest first, as the API answers them. */
export type StripeLists = {
  readonly customers: Stripe.Customer[];
  readonly paymentIntents: Stripe.PaymentIntent[];
  readonly charges: Stripe.Charge[];
  readonly refunds: Stripe.Refund[];
  readonly invoices: Stripe.Invoice[];
};

export type StripeState = StripeLists & {
  /** What has been written, newest first. The provider keeps events for 30 days; here their number bounds memory. */
  readonly events: Stripe.EventBase[];
  /** Every object but the events. */
  readonly byId: ReadonlyMap<string, object>;
  /** Adds a new object to its list. One too many for the bound on memory and the oldest is gone. */
  readonly add: <Kind extends keyof StripeLists>(kind: Kind, object: StripeLists[Kind][number]) => void;
  readonly addEvent: (event: Stripe.EventBase) => void;
  /** Makes an id as the provider would: `re_3…`. */
  readonly newId: (prefix: string) => string;
};

const newestFirst = (a: { created: number; id: string }, b: { created: number; id: string }): number =>
  b.created - a.created || (a.id < b.id ? 1 : -1);

/**
 * The company as its payment provider holds it, with up to `maxKept` objects of a kind once more are made. A fresh copy each
 * time, so that one sandbox does not change another.
 */
export const createState = ({ accounts }: Pick<Company, 'accounts'>, maxKept = MAX_KEPT): StripeState => {
  const random = createRandom(4242);
  const lists: StripeLists = {
    customers: accounts.map(toCustomer),
    paymentIntents: [],
    charges: [],
    refunds: [],
    invoices: accounts.flatMap((account) => account.invoices.map((invoice) => toInvoice(invoice, account))),
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
      lists.paymentIntents.push(intent);
      if (intent.latest_charge) {
        const refunded = payment.refunds.reduce((sum, refund) => sum + refund.amount, 0);
        lists.charges.push(toCharge(source, refunded));
      }
      lists.refunds.push(...payment.refunds.map((refund) => toRefund(refund, source)));
    }
  }
  const byId = new Map<string, object>();
  for (const list of [lists.customers, lists.paymentIntents, lists.charges, lists.refunds, lists.invoices]) {
    list.sort(newestFirst);
    for (const object of list) byId.set(object.id, object);
  }
  /** Adds to a list that is newest first, and gives what goes for it. */
  const prepend = <Item>(list: Item[], item: Item): Item | undefined => {
    list.unshift(item);
    return list.length > maxKept ? list.pop() : undefined;
  };
  const events: Stripe.EventBase[] = [];
  return {
    ...lists,
    events,
    byId,
    add: (kind, object) => {
      const oldest = prepend<{ readonly id: string }>(lists[kind], object);
      if (oldest) byId.delete(oldest.id);
      byId.set(object.id, object);
    },
    addEvent: (event) => void prepend(events, event),
    newId: (prefix) => `${prefix}_3${random.token(23)}`,
  };
};
