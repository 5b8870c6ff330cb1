import { z } from 'zod';
import { DateTime, readInput, readPageSize } from '../kit/inputs.ts';
import type { PaymentStatus, Resolvers } from './generated.ts';
import type { PaymentInputs } from './model.ts';
import { createMutations } from './mutations.ts';
import { createSubscriptions } from './subscriptions.ts';

const Filter = z.object({
  status: z.custom<PaymentStatus>().nullish(),
  createdFrom: DateTime.nullish(),
  createdBefore: DateTime.nullish(),
});

/** Creates the resolvers. The schemas of inputs depend on the payment system. */
export const createResolvers = (inputs: PaymentInputs): Resolvers => ({
  Query: {
    payment: (_, { id }, { payments }) => payments.payment(readInput(inputs.paymentId, id, 'id')),
    invoice: (_, { id }, { payments }) => payments.invoice(readInput(inputs.invoiceId, id, 'id')),
    payments: (_, { first, after, filter }, { payments }) => {
      const wanted = readInput(Filter, filter ?? {}, 'filter');
      return payments.payments(wanted, { first: readPageSize(first), after });
    },
  },
  Mutation: createMutations(inputs),
  Subscription: createSubscriptions(inputs),
  Customer: {
    __resolveReference: ({ email }) => ({ email: email ?? null }),
    payments: (customer, { first, after }, { payments }) =>
      payments.paymentsOf(customer, { first: readPageSize(first), after }),
    invoices: (customer, { first, after }, { payments }) =>
      payments.invoicesOf(customer, { first: readPageSize(first), after }),
    balance: async (customer, _, { payments }) => {
      const balances = await payments.balances(customer);
      return balances?.length === 1 ? (balances[0] ?? null) : null;
    },
    balances: (customer, _, { payments }) => payments.balances(customer),
    paymentAccounts: (customer, _, { payments }) => payments.accounts(customer),
  },
  Payment: {
    customer: (payment, _, { payments }) => payments.customerOf(payment),
    // Not left to the default resolver: stale values are recorded at the field whose resolver loads them.
    refunds: (payment) => payment.refunds(),
  },
  Invoice: {
    customer: (invoice, _, { payments }) => payments.customerOf(invoice),
  },
});
