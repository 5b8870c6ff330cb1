import { MAX_PAGES } from '../../../connectors/reads/paginate.ts';
import { type Amount, defineCosts, type FieldInfo } from '../../kit/costs.ts';
import type { PageOfPayments } from './api.ts';
import { stripe } from './definition.ts';
import { MAX_LISTED_ACCOUNTS } from './loaders.ts';
import type { StripeOperation } from './operations.ts';

/** Accounts of one address, of which most people have one. One customer may have many, but not each of a page of them. */
const accountsOf = ({ expected, atMost }: Amount) => ({ expected, atMost: 3 * atMost + MAX_ACCOUNTS, isShared: true });

/** Number of accounts with one address that the costs allow for. */
const MAX_ACCOUNTS = 100;

/** The accounts of an address. A single address that the search does not find is looked up in the list as well. */
const accounts = { accounts: 1, accountsNow: { expected: 0, atMost: 1, isShared: true } } as const;

/** A page of each account's payments. The first pages of many accounts are searched together. */
const paymentsOfAccounts = ({ args: { after }, objects }: FieldInfo) => {
  const isSearched = !after && objects.expected > MAX_LISTED_ACCOUNTS;
  const owned = accountsOf(objects);
  return {
    reads: {
      ...accounts,
      paymentPages: isSearched ? { ...owned, expected: 0 } : owned,
      paymentsBySearch: isSearched ? owned : { ...owned, expected: 0 },
    },
  };
};

const invoicesOfAccounts = ({ objects }: FieldInfo) => ({
  reads: { ...accounts, invoicePages: accountsOf(objects) },
});

/** The pages of the list, or of the search, which alone can filter by status. */
const pages = ({ args: { filter } }: FieldInfo) => {
  const { status } = Object(filter) as { readonly status?: PageOfPayments['search']['status'] | null };
  const example: PageOfPayments = {
    search: { status: status ? 'succeeded' : undefined },
    page: { token: undefined, limit: 1 },
  };
  return { expected: 1, atMost: MAX_PAGES, example };
};

/** A write. Under the same idempotency key it is sent again if its response cannot be used. */
const write = (operation: StripeOperation) => ({ [operation]: { atLeast: 1, expected: 1, atMost: 2 } });

/** A write of an existing payment. The currency of its amount, if it has one, is compared with the payment's. */
const writeOf =
  (operation: StripeOperation) =>
  ({ args: { input } }: FieldInfo) => {
    const { amount } = Object(input) as { readonly amount?: unknown };
    return { requests: write(operation), reads: { payment: { expected: amount ? 1 : 0, atMost: 2 } } };
  };

/** Pages of a hundred of a customer's own payments or invoices, until the wanted ones are found. */
const OWN: Amount = { expected: 1, atMost: MAX_ACCOUNTS * MAX_PAGES };
const ownPayments = {
  reads: { ...accounts, paymentPages: OWN, paymentsBySearch: { expected: 0, atMost: MAX_ACCOUNTS } },
} as const;
const ownInvoices = { reads: { ...accounts, invoicePages: OWN } } as const;

/** What the payments subgraph's fields cost at Stripe. */
export const costs = defineCosts(stripe, {
  fields: {
    'Query.payment': { reads: { payment: 1 } },
    'Query.payments': (field) => ({ reads: { paymentLists: pages(field) } }),
    'Query.invoice': { reads: { invoice: 1 } },
    'Subscription.paymentChanged': { reads: { payment: 1 } },
    'Subscription.refundCreated': { reads: { payment: 1, refunds: { expected: 0, atMost: 1 } } },
    'Customer.payments': paymentsOfAccounts,
    'Customer.invoices': invoicesOfAccounts,
    'Customer.balance': { reads: accounts },
    'Customer.balances': { reads: accounts },
    'Customer.paymentAccounts': { reads: accounts },
    // Payments come with their latest refunds.
    'Payment.refunds': { reads: { refunds: { expected: 0, atMost: 1 } } },
    'Mutation.createPayment': {
      reads: { accounts: 1, accountsNow: { expected: 0, atMost: 1, isShared: true } },
      requests: { 'POST /v1/customers': { expected: 0, atMost: 2 }, ...write('POST /v1/payment_intents') },
    },
    'Mutation.capturePayment': writeOf('POST /v1/payment_intents/{id}/capture'),
    'Mutation.cancelPayment': { requests: write('POST /v1/payment_intents/{id}/cancel') },
    'Mutation.refundPayment': writeOf('POST /v1/refunds'),
  },
  ownFields: {
    'Query.payment': ownPayments,
    'Query.payments': ownPayments,
    'Query.invoice': ownInvoices,
    'Subscription.paymentChanged': ownPayments,
    'Subscription.refundCreated': ownPayments,
  },
});
