import type { Reader, ReadResult } from '../../../connectors/reads/reader.ts';
import { createLoader } from '../../kit/loader.ts';
import type { SessionOf } from '../../kit/session.ts';
import type { AccountPage, ApiPayment, PageOfAccount } from './api.ts';
import type { stripe } from './definition.ts';
import type { AccountPayments, Accounts } from './group-by-owner.ts';

type Readers = SessionOf<typeof stripe>['readers'];

/**
 * One client request's view of Stripe. Its loaders of accounts and of their payments choose between Stripe's search, which
 * answers for many at once and is up to a minute behind, and its lists, which are up to the moment.
 */
export const createStripeSession = (session: SessionOf<typeof stripe>) => {
  const { readers, options } = session;
  const accounts = createLoader(accountsOf(readers), options);
  const paymentPages = createLoader(paymentPagesOf(readers), options);
  return {
    api: session.api,
    options,
    loaders: { ...session.loaders, accounts, paymentPages },
    invalidate: async (changes: Parameters<typeof session.invalidate>[0]): Promise<void> => {
      await session.invalidate(changes);
      accounts.clearAll();
      paymentPages.clearAll();
    },
  };
};

export type StripeSession = ReturnType<typeof createStripeSession>;

/**
 * A person's accounts by address in lower case, oldest first. Who has just paid for the first time is not in the search yet. For
 * a single address a second look costs one request; for a list of customers it would cost one for each who never paid.
 */
const accountsOf = ({ accounts, accountsNow }: Readers): Reader<string, Accounts> => ({
  ...accounts,
  load: async (emails, options) => {
    const found = await accounts.load(emails, options);
    const [first] = found;
    const isUnknown = found.length === 1 && !(first instanceof Error) && first?.value === null;
    return isUnknown ? accountsNow.load(emails, options) : found;
  },
});

// A person who has just paid has to find that payment, also with two or three accounts.
const MAX_LISTED_ACCOUNTS = 3;

/** First pages of more accounts than one person has are searched for together, all others are listed one by one. */
const paymentPagesOf = ({
  paymentPages,
  paymentsBySearch,
}: Readers): Reader<PageOfAccount, AccountPage<ApiPayment>> => ({
  ...paymentPages,
  load: async (pages, options) => {
    const found = new Map<PageOfAccount, ReadResult<AccountPage<ApiPayment>> | Error>();
    const accounts = [...new Set(pages.flatMap(({ account, after }) => (after === undefined ? [account] : [])))];
    if (accounts.length > MAX_LISTED_ACCOUNTS) {
      const searched = await paymentsBySearch.load(accounts, options);
      const byAccount = new Map(accounts.map((account, index) => [account, searched[index]]));
      for (const page of pages) {
        const result = page.after === undefined ? byAccount.get(page.account) : undefined;
        const first = result instanceof Error ? result : result && toFirstPage(result, page.limit);
        if (first) found.set(page, first);
      }
    }
    const rest = pages.filter((page) => !found.has(page));
    const listed = rest.length > 0 ? await paymentPages.load(rest, options) : [];
    for (const [index, page] of rest.entries()) found.set(page, listed[index] ?? { value: null });
    return pages.map((page) => found.get(page) ?? { value: null });
  },
});

const toFirstPage = (
  { value, ...age }: ReadResult<AccountPayments>,
  limit: number,
): ReadResult<AccountPage<ApiPayment>> | undefined =>
  value?.all && { ...age, value: { data: value.all.slice(0, limit), has_more: value.all.length > limit } };
