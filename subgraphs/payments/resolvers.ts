import { z } from 'zod';
import { idOfItem, itemOrError } from '../../connectors/reads/items.ts';
import { toAsciiLowerCase } from '../kit/ascii.ts';
import { pageThrough } from '../kit/connection.ts';
import { DateTime, readInput, readPageSize } from '../kit/inputs.ts';
import type { CustomerResolvers, QueryResolvers, Resolvers } from './generated.ts';
import type { Context } from './loaders.ts';
import { mutations, PaymentId } from './mutations.ts';
import { pageThroughAccounts } from './stripe/account-pages.ts';
import {
  API_PAYMENT_STATUS,
  type CustomerRef,
  INVOICE_STATUS,
  PAYMENT_STATUS,
  REFUND_REASON,
  REFUND_STATUS,
  toAmountRefunded,
  toBalance,
  toBalances,
  toCustomerRef,
  toDateTime,
  toMoney,
  toMoneyOrNull,
  toRefByEmail,
} from './stripe/mapping.ts';

const InvoiceId = z.string().regex(/^in_\w{1,250}$/, 'must be the id of an invoice, in_…');
const Filter = z.object({
  status: z.custom<keyof typeof API_PAYMENT_STATUS>().nullish(),
  createdFrom: DateTime.nullish(),
  createdBefore: DateTime.nullish(),
});

const accountsOf = async ({ email }: CustomerRef, { loaders }: Context) =>
  email === null ? [] : ((await loaders.accounts.load(toAsciiLowerCase(email))) ?? []);

const accountIdsOf = async (customer: CustomerRef, context: Context): Promise<string[]> =>
  // Of an account without an id nobody can say what it holds: the list would be incomplete.
  (await accountsOf(customer, context)).map((account) => idOfItem('payments', account));

// Stripe's times are whole seconds. The first one at or after the date is right for both ends: from it on, and before it.
const toSeconds = (date: Date): number => Math.ceil(date.getTime() / 1000);

const Query: QueryResolvers = {
  payment: (_, { id }, { loaders }) => loaders.payment.load(readInput(PaymentId, id, 'id')),
  invoice: (_, { id }, { loaders }) => loaders.invoice.load(readInput(InvoiceId, id, 'id')),
  payments: (_, { first, after, filter }, { loaders }) => {
    const { status, createdFrom, createdBefore } = readInput(Filter, filter ?? {}, 'filter');
    const search = {
      status: status ? API_PAYMENT_STATUS[status] : undefined,
      createdFrom: createdFrom ? toSeconds(createdFrom) : undefined,
      createdBefore: createdBefore ? toSeconds(createdBefore) : undefined,
    };
    const paged = { upstream: 'payments', list: 'payments', query: search, first: readPageSize(first), after };
    return pageThrough(paged, (page) => loaders.paymentLists.load({ search, page }));
  },
};

const Customer: CustomerResolvers = {
  __resolveReference: ({ email }) => ({ email: email ?? null }),
  payments: async (customer, { first, after }, context) =>
    pageThroughAccounts(
      'payments',
      await accountIdsOf(customer, context),
      { first: readPageSize(first), after },
      (page) => context.loaders.paymentPages.load(page),
    ),
  invoices: async (customer, { first, after }, context) =>
    pageThroughAccounts(
      'invoices',
      await accountIdsOf(customer, context),
      { first: readPageSize(first), after },
      (page) => context.loaders.invoicePages.load(page),
    ),
  balance: async (customer, _, context) => {
    const balances = toBalances(await accountsOf(customer, context));
    return balances?.length === 1 ? (balances[0] ?? null) : null;
  },
  balances: async (customer, _, context) => toBalances(await accountsOf(customer, context)),
  paymentAccounts: async (customer, _, context) =>
    (await accountsOf(customer, context)).map((account) => itemOrError('payments', account)),
};

export const resolvers: Resolvers = {
  Query,
  Mutation: mutations,
  Customer,
  PaymentAccount: {
    balance: toBalance,
    createdAt: ({ created }) => toDateTime(created),
  },
  Payment: {
    status: ({ status }) => PAYMENT_STATUS[status],
    amount: ({ amount, currency }) => toMoneyOrNull(amount, currency),
    amountReceived: ({ amount_received, currency }) => toMoneyOrNull(amount_received, currency),
    amountRefunded: toAmountRefunded,
    createdAt: ({ created }) => toDateTime(created),
    customer: ({ customer }) => toCustomerRef(customer),
    refunds: async ({ id, latest_charge }, _, { loaders }) => {
      if (latest_charge === null) return [];
      // The latest ten come with the payment.
      const { refunds } = latest_charge ?? {};
      const all = refunds && !refunds.has_more ? refunds.data : ((await loaders.refunds.load(id)) ?? []);
      return all.map((refund) => itemOrError('payments', refund));
    },
    externalIds: ({ id }) => [{ system: 'stripe', id }],
  },
  Refund: {
    amount: ({ amount, currency }) => toMoney(amount, currency),
    status: ({ status }) => status && REFUND_STATUS[status],
    reason: ({ reason }) => reason && REFUND_REASON[reason],
    createdAt: ({ created }) => toDateTime(created),
  },
  Invoice: {
    status: ({ status }) => status && INVOICE_STATUS[status],
    total: ({ total, currency }) => toMoney(total, currency),
    amountRemaining: ({ amount_remaining, currency }) => toMoney(amount_remaining, currency),
    createdAt: ({ created }) => toDateTime(created),
    dueDate: ({ due_date }) => (due_date === null ? null : toDateTime(due_date)),
    customer: ({ customer_email }) => toRefByEmail(customer_email),
  },
};
