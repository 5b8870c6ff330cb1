import { idOfItem, itemOrError } from '../../../connectors/reads/items.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import { pageThrough } from '../../kit/connection.ts';
import type { SessionOf } from '../../kit/session.ts';
import type { Customer, Payment, Payments } from '../model.ts';
import { pageThroughAccounts } from './account-pages.ts';
import type { ApiPayment } from './api.ts';
import type { stripe } from './definition.ts';
import type { Accounts } from './group-by-owner.ts';
import { createStripeSession } from './loaders.ts';
import { API_PAYMENT_STATUS, mapItem, StripePayment, toBalances, toInvoice, toPaymentAccount } from './mapping.ts';
import { createWrites } from './writes.ts';

/** Implements the payments subgraph's model over Stripe. */
export const createPayments = (connected: SessionOf<typeof stripe>): Payments => {
  const session = createStripeSession(connected);
  const { loaders } = session;

  const toPayment = (payment: ApiPayment): Payment => new StripePayment(payment, loaders.refunds.load);

  const accountsOf = async ({ email }: Customer): Promise<Accounts> =>
    email === null ? [] : ((await loaders.accounts.load(toAsciiLowerCase(email))) ?? []);

  const accountIdsOf = async (customer: Customer): Promise<string[]> =>
    // Throws for an account without an id: its items cannot be listed, so the result would be incomplete.
    (await accountsOf(customer)).map((account) => idOfItem('payments', account));

  return {
    payment: async (id) => {
      const payment = await loaders.payment.load(id);
      return payment && toPayment(payment);
    },

    invoice: async (id) => {
      const invoice = await loaders.invoice.load(id);
      return invoice && toInvoice(invoice);
    },

    customerOf: ({ customer }) => customer,

    payments: ({ status, createdFrom, createdBefore }, { first, after }) => {
      const search = {
        status: status ? API_PAYMENT_STATUS[status] : undefined,
        createdFrom: createdFrom ? toSeconds(createdFrom) : undefined,
        createdBefore: createdBefore ? toSeconds(createdBefore) : undefined,
      };
      const list = { subgraph: 'payments', list: 'payments', query: search, first, after };
      return pageThrough<Payment>(list, async (page) => {
        const found = await loaders.paymentLists.load({ search, page });
        return found && { ...found, items: found.items.map((item) => mapItem(item, toPayment)) };
      });
    },

    paymentsOf: async (customer, page) =>
      pageThroughAccounts('payments', await accountIdsOf(customer), page, loaders.paymentPages.load, toPayment),

    invoicesOf: async (customer, page) =>
      pageThroughAccounts('invoices', await accountIdsOf(customer), page, loaders.invoicePages.load, toInvoice),

    accounts: async (customer) =>
      (await accountsOf(customer)).map((account) => itemOrError('payments', mapItem(account, toPaymentAccount))),

    balances: async (customer) => toBalances(await accountsOf(customer)),

    ...createWrites(session, toPayment),
  };
};

// Stripe's times are whole seconds. Rounding up is right for both an inclusive lower and an exclusive upper bound.
const toSeconds = (date: Date): number => Math.ceil(date.getTime() / 1000);
