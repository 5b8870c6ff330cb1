import { onlyOf } from '../../connectors/batch.ts';
import type { CallOptions } from '../../connectors/chain.ts';
import type { Provider } from '../../connectors/provider.ts';
import { type Reader, tagOf } from '../../connectors/reader.ts';
import type { ProviderPage } from '../connection.ts';
import {
  type ApiAccount,
  type ApiInvoice,
  type ApiPayment,
  type ApiRefund,
  MAX_SEARCH_CLAUSES,
  type PageOfAccount,
  type PaymentSearch,
  type StripeApi,
} from './upstream.ts';

/** A page of one account's things, newest first. */
export type AccountPage<Item> = { readonly data: readonly Item[]; readonly has_more: boolean };

/** A page of the list of all payments. */
export type PaymentListPage = {
  readonly search: PaymentSearch;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

/** All payments of an account, newest first; undefined where one search could not hold them. */
export type AccountPayments = { readonly all?: readonly ApiPayment[] };

export const accountPageKey = (page: PageOfAccount): string => JSON.stringify(page);
export const paymentListKey = (page: PaymentListPage): string => JSON.stringify(page);

/** What stands for all pages of the list of payments: any of them may change with any payment. */
export const ANY = 'any';

const byAccount = (type: string) => (key: string) => [tagOf(type, (JSON.parse(key) as PageOfAccount).account)];

/** What is read of Stripe by key, on behalf of all requests: how much one call carries, and what changes it. */
export const createReaders = ({ createReader }: Pick<Provider, 'createReader'>, api: StripeApi) => {
  /** There is no way to ask for several at once. */
  const singly = <Value>(
    names: { type: string; lifetime: string; operation: string },
    ask: (id: string, call: CallOptions) => Promise<Value | null>,
  ): Reader<Value> =>
    createReader<Value>({
      ...names,
      maxBatch: 1,
      ask: async ([id = ''], call) => onlyOf(id, await ask(id, call)),
    });

  return {
    /** A person's accounts by address in lower case, oldest first. */
    accounts: createReader<readonly ApiAccount[]>({
      type: 'accounts',
      operation: 'GET /v1/customers/search',
      maxBatch: MAX_SEARCH_CLAUSES,
      ask: async (emails, call) => groupByEmail(await api.accountsByEmails(emails, call)),
    }),
    /** The same by the list, which is up to the moment and compares capitals. */
    accountsNow: singly<readonly ApiAccount[]>(
      { type: 'accountsNow', lifetime: 'accounts', operation: 'GET /v1/customers' },
      async (email, call) => {
        const found = await api.accountsWithEmail(email, call);
        return found.length > 0 ? found : null;
      },
    ),
    payment: singly<ApiPayment>(
      { type: 'payments', lifetime: 'payments', operation: 'GET /v1/payment_intents/{id}' },
      api.payment,
    ),
    invoice: singly<ApiInvoice>(
      { type: 'invoices', lifetime: 'invoices', operation: 'GET /v1/invoices/{id}' },
      api.invoice,
    ),
    refunds: singly<readonly ApiRefund[]>(
      { type: 'refunds', lifetime: 'refunds', operation: 'GET /v1/refunds' },
      api.refundsOfPayment,
    ),
    paymentPages: createReader<AccountPage<ApiPayment>>({
      type: 'paymentPages',
      lifetime: 'paymentLists',
      operation: 'GET /v1/payment_intents',
      maxBatch: 1,
      ask: async ([key = ''], call) => onlyOf(key, await api.paymentsOfAccount(JSON.parse(key) as PageOfAccount, call)),
      tagsOf: byAccount('paymentsOf'),
    }),
    paymentsBySearch: createReader<AccountPayments>({
      type: 'paymentsBySearch',
      lifetime: 'paymentLists',
      operation: 'GET /v1/payment_intents/search',
      maxBatch: MAX_SEARCH_CLAUSES,
      ask: async (accounts, call) => {
        const { data, has_more } = await api.paymentsOfAccounts(accounts, call);
        return new Map(
          accounts.map((account): [string, AccountPayments] => {
            // Nothing says which of them are missing, so an incomplete answer serves nobody.
            if (has_more) return [account, {}];
            return [account, { all: data.filter(({ customer }) => customer?.id === account).sort(newestFirst) }];
          }),
        );
      },
      tagsOf: (account) => [tagOf('paymentsOf', account)],
    }),
    invoicePages: createReader<AccountPage<ApiInvoice>>({
      type: 'invoicePages',
      lifetime: 'invoiceLists',
      operation: 'GET /v1/invoices',
      maxBatch: 1,
      ask: async ([key = ''], call) => onlyOf(key, await api.invoicesOfAccount(JSON.parse(key) as PageOfAccount, call)),
    }),
    paymentLists: createReader<ProviderPage<ApiPayment>>({
      type: 'paymentLists',
      operation: 'GET /v1/payment_intents',
      maxBatch: 1,
      ask: async ([key = ''], call) => {
        const { search, page } = JSON.parse(key) as PaymentListPage;
        return onlyOf(key, await api.payments(search, { token: page.token, limit: page.limit }, call));
      },
      tagsOf: () => [tagOf('paymentLists', ANY)],
    }),
  };
};

export type Readers = ReturnType<typeof createReaders>;

const groupByEmail = (accounts: readonly ApiAccount[]): Map<string, ApiAccount[]> => {
  const groups = new Map<string, ApiAccount[]>();
  for (const account of [...accounts].sort((a, b) => a.created - b.created)) {
    const email = account.email?.toLowerCase() ?? '';
    groups.set(email, [...(groups.get(email) ?? []), account]);
  }
  return groups;
};

/** Newest first, and in one order for those of the same second. */
export const newestFirst = (
  a: { readonly created: number; readonly id: string },
  b: { readonly created: number; readonly id: string },
): number => b.created - a.created || (a.id < b.id ? 1 : -1);
