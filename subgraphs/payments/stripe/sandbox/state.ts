import type Stripe from 'stripe';
import { MAX_ENTRIES } from '../../../../sandbox/bounds.ts';
import type { Company } from '../../../../sandbox/company.ts';
import { createRandom } from '../../../../sandbox/random.ts';
import { toInvoice } from './invoices.ts';
import { type PaymentSource, toCharge, toCustomer, toPaymentIntent, toRefund } from './objects.ts';

/** The objects of a Stripe account. Lists are newest first, as in the API. */
export type StripeLists = {
  readonly customers: Stripe.Customer[];
  readonly paymentIntents: Stripe.PaymentIntent[];
  readonly charges: Stripe.Charge[];
  readonly refunds: Stripe.Refund[];
  readonly invoices: Stripe.Invoice[];
};

export type StripeState = StripeLists & {
  /** The events of writes, newest first. Stripe keeps events for 30 days; here their number is bounded. */
  readonly events: Stripe.EventBase[];
  /** All objects except events, by id. */
  readonly byId: ReadonlyMap<string, object>;
  /** Adds a new object to its list. Beyond the maximum, removes the oldest one. */
  readonly add: <Kind extends keyof StripeLists>(kind: Kind, object: StripeLists[Kind][number]) => void;
  readonly addEvent: (event: Stripe.EventBase & { readonly type: string }) => void;
  /** Creates an id in Stripe's format: `re_3…`. */
  readonly newId: (prefix: string) => string;
};

const newestFirst = (a: { created: number; id: string }, b: { created: number; id: string }): number =>
  b.created - a.created || (a.id < b.id ? 1 : -1);

/**
 * Creates the Stripe data of the company: a fresh copy for each sandbox. Adding an object beyond `maxEntries` of a kind removes
 * the oldest. `onEvent` is called with each event.
 */
export const createState = (
  { accounts }: Pick<Company, 'accounts'>,
  maxEntries = MAX_ENTRIES,
  onEvent: (event: Stripe.EventBase & { readonly type: string }) => void = () => {},
): StripeState => {
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
  /** Adds an item at the start of a list, and returns the item removed for it, if any. */
  const prepend = <Item>(list: Item[], item: Item): Item | undefined => {
    list.unshift(item);
    return list.length > maxEntries ? list.pop() : undefined;
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
    addEvent: (event) => {
      prepend(events, event);
      onEvent(event);
    },
    newId: (prefix) => `${prefix}_3${random.token(23)}`,
  };
};
