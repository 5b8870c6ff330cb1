import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Provider } from '../../connectors/provider.ts';
import type { Unusable } from '../../connectors/reads/items.ts';
import type { Reader, ReadResult } from '../../connectors/reads/reader.ts';
import { createLoader, withClearAll } from '../kit/loader.ts';
import type { ApiPayment, PageOfAccount, StripeApi } from './stripe/api.ts';
import { type AccountPage, type Accounts, accountPageKey, paymentListKey, type Readers } from './stripe/reads.ts';

/** What the payments resolvers are given: one for each client request. */
export type Context = {
  readonly api: StripeApi;
  readonly call: RequestOptions;
  readonly loaders: Loaders;
  readonly invalidate: Provider['invalidate'];
};

export type Loaders = ReturnType<typeof createLoaders>;

// Lists are up to the moment and the search is not: a person who has just paid has to find that payment, also with two
// or three accounts.
const MAX_LISTED_ACCOUNTS = 3;

type Source<Value> = Pick<Reader<Value>, 'upstream' | 'load'>;

/** One client request's view of what is read of Stripe. */
export const createLoaders = (readers: Readers, call: RequestOptions) =>
  withClearAll({
    /** A person's accounts by address in lower case, oldest first. */
    accounts: createLoader(accountsOf(readers), call),
    payment: createLoader(readers.payment, call),
    invoice: createLoader(readers.invoice, call),
    refunds: createLoader(readers.refunds, call),
    paymentPages: createLoader(paymentPagesOf(readers), call, accountPageKey),
    invoicePages: createLoader(readers.invoicePages, call, accountPageKey),
    paymentLists: createLoader(readers.paymentLists, call, paymentListKey),
  });

/**
 * The search is up to a minute behind, so who has just paid for the first time is not in it. For a single address a second
 * look costs one call; for a list of customers it would cost one for each who never paid.
 */
const accountsOf = ({ accounts, accountsNow }: Readers): Source<Accounts> => ({
  upstream: accounts.upstream,
  load: async (emails, call) => {
    const found = await accounts.load(emails, call);
    const [first] = found;
    const isUnknown = found.length === 1 && !(first instanceof Error) && first?.value === null;
    return isUnknown ? accountsNow.load(emails, call) : found;
  },
});

/** First pages of more accounts than one person has are searched for together, all others are listed one by one. */
const paymentPagesOf = ({ paymentPages, paymentsBySearch }: Readers): Source<AccountPage<ApiPayment>> => ({
  upstream: paymentPages.upstream,
  load: async (keys, call) => {
    const pages = keys.map((key) => JSON.parse(key) as PageOfAccount);
    const found = new Map<string, ReadResult<AccountPage<ApiPayment>> | Error>();
    const accounts = new Set(pages.flatMap(({ account, after }) => (after === undefined ? [account] : [])));
    if (accounts.size > MAX_LISTED_ACCOUNTS) {
      const searched = await paymentsBySearch.load([...accounts], call);
      const byAccount = new Map([...accounts].map((account, index) => [account, searched[index]]));
      for (const [index, { account, after, limit }] of pages.entries()) {
        const answer = byAccount.get(account);
        if (after !== undefined || !answer) continue;
        const page = answer instanceof Error ? answer : toFirstPage(answer, limit);
        if (page) found.set(keys[index] ?? '', page);
      }
    }
    const rest = keys.filter((key) => !found.has(key));
    const listed = rest.length > 0 ? await paymentPages.load(rest, call) : [];
    for (const [index, key] of rest.entries()) found.set(key, listed[index] ?? { value: null });
    return keys.map((key) => found.get(key) ?? { value: null });
  },
});

const toFirstPage = (
  { value, ...age }: ReadResult<{ readonly all?: readonly (ApiPayment | Unusable)[] }>,
  limit: number,
): ReadResult<AccountPage<ApiPayment>> | undefined =>
  value?.all && { ...age, value: { data: value.all.slice(0, limit), has_more: value.all.length > limit } };
