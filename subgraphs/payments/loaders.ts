import DataLoader from 'dataloader';
import { askInBatches, chunksOf } from '../../connectors/batch.ts';
import type { CallOptions } from '../../connectors/chain.ts';
import { forgettable } from '../forgettable.ts';
import type { PageOfAccount, StripeApi } from './upstream.ts';
import { type ApiAccount, type ApiInvoice, type ApiPayment, type ApiRefund, MAX_SEARCH_CLAUSES } from './upstream.ts';

/** A page of one account's things, newest first. */
export type AccountPage<Item> = { readonly data: readonly Item[]; readonly has_more: boolean };

/** What the payments resolvers are given: one for each client request. */
export type Context = { readonly api: StripeApi; readonly call: CallOptions; readonly loaders: Loaders };

export type Loaders = ReturnType<typeof createLoaders>;

// Lists are up to the moment and the search is not: a person who has just paid has to find that payment, also with two
// or three accounts.
const MAX_LISTED_ACCOUNTS = 3;

const pageKey = ({ account, limit, after = '' }: PageOfAccount): string => `${account} ${limit} ${after}`;

/** What one call to Stripe may carry, for the life of one client request. */
export const createLoaders = (api: StripeApi, call: CallOptions) => {
  /** A person's accounts by address in lower case, oldest first. Ten addresses a call. */
  const accounts = new DataLoader<string, readonly ApiAccount[]>(async (emails) => {
    const found = await askInBatches(emails, MAX_SEARCH_CLAUSES, async (batch) =>
      groupByEmail(await api.accountsByEmails(batch, call)),
    );
    const [only, ...others] = emails;
    // The search is up to a minute behind, so who has just paid for the first time is not in it. For a single address
    // the second look costs one call; for a list of customers it would cost one for each who never paid.
    if (only !== undefined && others.length === 0 && found[0] === null) return [await exactly(only)];
    return found.map((one) => one ?? []);
  });

  const exactly = async (email: string): Promise<readonly ApiAccount[] | Error> => {
    try {
      return await api.accountsWithEmail(email, call);
    } catch (error) {
      return error as Error;
    }
  };

  /** There is no way to ask for several payments by id. */
  const payment = new DataLoader<string, ApiPayment | null>((ids) =>
    askInBatches(ids, 1, async ([id = '']) => toMap(id, await api.payment(id, call))),
  );

  const invoice = new DataLoader<string, ApiInvoice | null>((ids) =>
    askInBatches(ids, 1, async ([id = '']) => toMap(id, await api.invoice(id, call))),
  );

  const refunds = new DataLoader<string, readonly ApiRefund[] | null>((ids) =>
    askInBatches(ids, 1, async ([id = '']) => toMap(id, await api.refundsOfPayment(id, call))),
  );

  /** Pages of accounts' payments. First pages of more accounts than one person has come ten accounts a call. */
  const paymentPages = new DataLoader<PageOfAccount, AccountPage<ApiPayment>, string>(
    async (pages) => {
      const found = new Map<string, AccountPage<ApiPayment> | Error>();
      const first = pages.filter(({ after }) => after === undefined);
      const together = first.length > MAX_LISTED_ACCOUNTS ? first : [];
      await Promise.all(
        chunksOf(together, MAX_SEARCH_CLAUSES).map(async (group) => {
          const all = await settle(api.paymentsOfAccounts([...new Set(group.map(({ account }) => account))], call));
          if (all instanceof Error) {
            for (const page of group) found.set(pageKey(page), all);
            return;
          }
          // Nothing says which of them are missing, so an incomplete answer serves nobody.
          if (all.has_more) return;
          for (const page of group) {
            const own = all.data.filter(({ customer }) => customer?.id === page.account).sort(newestFirst);
            found.set(pageKey(page), { data: own.slice(0, page.limit), has_more: own.length > page.limit });
          }
        }),
      );
      return Promise.all(
        pages.map(async (page) => found.get(pageKey(page)) ?? settle(api.paymentsOfAccount(page, call))),
      );
    },
    { cacheKeyFn: pageKey },
  );

  const invoicePages = new DataLoader<PageOfAccount, AccountPage<ApiInvoice>, string>(
    (pages) => Promise.all(pages.map((page) => settle(api.invoicesOfAccount(page, call)))),
    { cacheKeyFn: pageKey },
  );

  return forgettable({ accounts, payment, invoice, refunds, paymentPages, invoicePages });
};

const toMap = <Value>(key: string, value: Value | null): Map<string, Value> =>
  new Map(value === null ? [] : [[key, value]]);

const settle = async <T>(promise: Promise<T>): Promise<T | Error> => {
  try {
    return await promise;
  } catch (error) {
    return error as Error;
  }
};

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
