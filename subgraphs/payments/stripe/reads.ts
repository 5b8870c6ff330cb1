import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { CreateReader } from '../../../connectors/provider.ts';
import { singleResult } from '../../../connectors/reads/batcher.ts';
import { isUnusable, type Unusable } from '../../../connectors/reads/items.ts';
import type { Reader, ReaderDefinition } from '../../../connectors/reads/reader.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import {
  type ApiInvoice,
  type ApiPayment,
  type ApiRefund,
  MAX_SEARCH_CLAUSES,
  type PageOfAccount,
  type PaymentSearch,
  type StripeApi,
  type StripeCustomer,
  type StripeOperation,
} from './api.ts';
import type { CachePolicyName } from './limits.ts';
import { tags } from './tags.ts';

/** A page of one account's things, newest first. */
export type AccountPage<Item> = { readonly data: readonly (Item | Unusable)[]; readonly has_more: boolean };

/** A person's accounts. */
export type Accounts = readonly (StripeCustomer | Unusable)[];

/** A page of the list of all payments. */
export type PaymentListPage = {
  readonly search: PaymentSearch;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

/** All payments of an account, newest first; undefined where one search could not hold them. */
export type AccountPayments = { readonly all?: readonly (ApiPayment | Unusable)[] };

export const accountPageKey = (page: PageOfAccount): string => JSON.stringify(page);
export const paymentListKey = (page: PaymentListPage): string => JSON.stringify(page);

const paymentsOf = (account: string) => [tags.paymentsOf(account), tags.paymentsOfAll];

/** Readers for Stripe, shared by all requests: how much one call carries, and the tags of each key. */
export const createReaders = (createReader: CreateReader<StripeOperation, CachePolicyName>, api: StripeApi) => {
  /** There is no way to ask for several at once. */
  const readOne = <Value>(
    definition: Omit<ReaderDefinition<Value, StripeOperation, CachePolicyName>, 'maxBatch' | 'fetch'>,
    fetch: (id: string, call: RequestOptions) => Promise<Value | null>,
  ): Reader<Value> =>
    createReader<Value>({
      ...definition,
      maxBatch: 1,
      fetch: async ([id = ''], call) => singleResult(id, await fetch(id, call)),
    });

  return {
    /** A person's accounts by address in lower case, oldest first. */
    accounts: createReader<Accounts>({
      type: 'accounts',
      cachePolicy: 'accounts',
      operation: 'GET /v1/customers/search',
      maxBatch: MAX_SEARCH_CLAUSES,
      fetch: (emails, call) => accountsByEmails(api, emails, call),
      tagsOf: (email) => [tags.accounts(email)],
    }),
    /** The same by the list, which is up to the moment and compares capitals. */
    accountsNow: readOne<Accounts>(
      {
        type: 'accountsNow',
        cachePolicy: 'accounts',
        operation: 'GET /v1/customers',
        tagsOf: (email) => [tags.accounts(email)],
      },
      async (email, call) => {
        const found = await api.accountsWithEmail(email, call);
        return found.length > 0 ? oldestFirst(found) : null;
      },
    ),
    payment: readOne<ApiPayment>(
      {
        type: 'payments',
        cachePolicy: 'payments',
        operation: 'GET /v1/payment_intents/{id}',
        tagsOf: (id) => [tags.payment(id)],
      },
      api.payment,
    ),
    invoice: readOne<ApiInvoice>(
      { type: 'invoices', cachePolicy: 'invoices', operation: 'GET /v1/invoices/{id}' },
      api.invoice,
    ),
    refunds: readOne<readonly (ApiRefund | Unusable)[]>(
      {
        type: 'refunds',
        cachePolicy: 'refunds',
        operation: 'GET /v1/refunds',
        tagsOf: (payment) => [tags.payment(payment)],
      },
      api.refundsOfPayment,
    ),
    paymentPages: createReader<AccountPage<ApiPayment>>({
      type: 'paymentPages',
      cachePolicy: 'paymentLists',
      operation: 'GET /v1/payment_intents',
      maxBatch: 1,
      fetch: async ([key = ''], call) =>
        singleResult(key, await api.paymentsOfAccount(JSON.parse(key) as PageOfAccount, call)),
      tagsOf: (key) => paymentsOf((JSON.parse(key) as PageOfAccount).account),
    }),
    paymentsBySearch: createReader<AccountPayments>({
      type: 'paymentsBySearch',
      cachePolicy: 'paymentLists',
      operation: 'GET /v1/payment_intents/search',
      maxBatch: MAX_SEARCH_CLAUSES,
      fetch: async (accounts, call) => {
        const { data, has_more } = await api.paymentsOfAccounts(accounts, call);
        const isWhole = !has_more && data.every(({ owner }) => owner !== null);
        return new Map(
          accounts.map((account): [string, AccountPayments] => {
            // Nothing says which of them are missing, so an incomplete answer serves nobody.
            if (!isWhole) return [account, {}];
            return [
              account,
              { all: newestFirst(data.flatMap(({ item, owner }) => (owner === account ? [item] : []))) },
            ];
          }),
        );
      },
      tagsOf: paymentsOf,
    }),
    invoicePages: createReader<AccountPage<ApiInvoice>>({
      type: 'invoicePages',
      cachePolicy: 'invoiceLists',
      operation: 'GET /v1/invoices',
      maxBatch: 1,
      fetch: async ([key = ''], call) =>
        singleResult(key, await api.invoicesOfAccount(JSON.parse(key) as PageOfAccount, call)),
    }),
    paymentLists: createReader<ProviderPage<ApiPayment | Unusable>>({
      type: 'paymentLists',
      cachePolicy: 'paymentLists',
      operation: 'GET /v1/payment_intents',
      maxBatch: 1,
      fetch: async ([key = ''], call) => {
        const { search, page } = JSON.parse(key) as PaymentListPage;
        return singleResult(key, await api.payments(search, { token: page.token, limit: page.limit }, call));
      },
      tagsOf: () => [tags.paymentLists],
    }),
  };
};

export type Readers = ReturnType<typeof createReaders>;

/**
 * The accounts of each address, oldest first. One whose address cannot be read may be anybody's of those searched for together:
 * they are then searched for one by one, so that it is missing from nobody's accounts and spoils only its owner's.
 */
const accountsByEmails = async (
  api: Pick<StripeApi, 'accountsByEmails'>,
  emails: readonly string[],
  call: RequestOptions,
): Promise<Map<string, Accounts | Error>> => {
  const found = await api.accountsByEmails(emails, call);
  if (emails.length > 1 && found.some(({ owner }) => owner === null)) {
    const each = await Promise.allSettled(emails.map((email) => accountsByEmails(api, [email], call)));
    return new Map(
      each.flatMap((result, index): [string, Accounts | Error][] =>
        result.status === 'fulfilled' ? [...result.value] : [[emails[index] ?? '', result.reason]],
      ),
    );
  }
  const groups = new Map<string, (StripeCustomer | Unusable)[]>();
  for (const { item, owner } of found) {
    const email = owner === null ? (emails[0] ?? '') : toAsciiLowerCase(owner);
    groups.set(email, [...(groups.get(email) ?? []), item]);
  }
  return new Map([...groups].map(([email, accounts]) => [email, oldestFirst(accounts)]));
};

const oldestFirst = (accounts: Accounts): Accounts =>
  [...accounts].sort((a, b) => createdOf(a, Number.MAX_SAFE_INTEGER) - createdOf(b, Number.MAX_SAFE_INTEGER));

const createdOf = (item: { readonly created: number } | Unusable, otherwise: number): number =>
  isUnusable(item) ? otherwise : item.created;

/** Newest first, and in one order for those of the same second. What cannot be used stays behind what it came after. */
const newestFirst = (payments: readonly (ApiPayment | Unusable)[]): (ApiPayment | Unusable)[] => {
  let last = Number.MAX_SAFE_INTEGER;
  return payments
    .map((item) => {
      last = createdOf(item, last);
      return { item, created: last };
    })
    .sort((a, b) => b.created - a.created || byId(a.item, b.item))
    .map(({ item }) => item);
};

const byId = (a: ApiPayment | Unusable, b: ApiPayment | Unusable): number => {
  if (isUnusable(a) || isUnusable(b) || a.id === b.id) return 0;
  return a.id < b.id ? 1 : -1;
};
