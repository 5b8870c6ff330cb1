import { MAX_PAGES } from '../../../connectors/reads/paginate.ts';
import { byKey, oneByOne } from '../../../connectors/reads/read.ts';
import type { StripeApi } from './api.ts';

/**
 * Creates Stripe's reads by key. Invoices are not written here, but Stripe's events report their changes.
 *
 * A search takes ten clauses. Undocumented; reported by users of the API.
 */
export const createReads = (api: StripeApi) => ({
  accounts: byKey(api.accountsByEmails, { batchSize: 10, requestsPerBatch: MAX_PAGES, policy: 'accounts' }),
  accountsNow: oneByOne(api.accountsWithEmail, { policy: 'accounts' }),
  payment: oneByOne(api.payment, { policy: 'payments' }),
  invoice: oneByOne(api.invoice, { policy: 'invoices' }),
  refunds: oneByOne(api.refundsOfPayment, { requestsPerBatch: MAX_PAGES, policy: 'refunds' }),
  paymentPages: oneByOne(api.paymentsOfAccount, {
    policy: 'paymentLists',
    scope: ({ account }) => account,
  }),
  paymentsBySearch: byKey(api.paymentsOfAccounts, { batchSize: 10, policy: 'paymentLists' }),
  invoicePages: oneByOne(api.invoicesOfAccount, {
    policy: 'invoiceLists',
    scope: ({ account }) => account,
  }),
  paymentLists: oneByOne(api.payments, { policy: 'paymentLists' }),
});

export type StripeReads = ReturnType<typeof createReads>;
