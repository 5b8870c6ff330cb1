import type { Reader, ReadResult } from '../../../connectors/reads/reader.ts';
import { createLoader } from '../../kit/loader.ts';
import type { SessionOf } from '../../kit/session.ts';
import type { AccountPage, ApiPayment, PageOfAccount } from './api.ts';
import type { stripe } from './definition.ts';
import type { AccountPayments, Accounts } from './group-by-owner.ts';

type Readers = SessionOf<typeof stripe>['readers'];

/**
 * Creates one client request's view of Stripe. The loaders of accounts and payments choose between Stripe's search, which
 * covers many keys per request but lags by up to a minute, and its lists, which do not lag.
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
 * Reads a customer's accounts by lower-case address, oldest first. The search does not find a customer who has just paid for
 * the first time. For a single address, listing as well costs one request; for many it would cost one for each customer who
 * has never paid.
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

/** Up to this many accounts are listed, so that a customer who has just paid sees the payment even with several accounts. */
export const MAX_LISTED_ACCOUNTS = 3;

/** Reads pages of payments. First pages of more than `MAX_LISTED_ACCOUNTS` accounts are searched together; others are listed. */
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
