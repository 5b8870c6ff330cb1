import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import { isUnusable, type Unusable } from '../../../connectors/reads/items.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ApiPayment, StripeCustomer } from './wire-types.ts';

/** An object of a search for several customers: `owner` tells whose it is, null where that cannot be read. */
export type Owned<Item> = { readonly item: Item | Unusable; readonly owner: string | null };

/** A person's accounts. */
export type Accounts = readonly (StripeCustomer | Unusable)[];

/** All payments of an account, newest first; undefined where one search could not hold them. */
export type AccountPayments = { readonly all?: readonly (ApiPayment | Unusable)[] };

/**
 * Groups the accounts that `search` finds by their addresses, oldest first. One whose address cannot be read may be anybody's
 * of those searched for together: they are then searched for one by one, so that it is missing from nobody's accounts and
 * spoils only its owner's.
 */
export const groupAccounts =
  (search: (emails: readonly string[], options: RequestOptions) => Promise<readonly Owned<StripeCustomer>[]>) =>
  async (emails: readonly string[], options: RequestOptions): Promise<Map<string, Accounts | Error>> => {
    const found = await search(emails, options);
    if (emails.length > 1 && found.some(({ owner }) => owner === null)) {
      const each = await Promise.allSettled(emails.map((email) => groupAccounts(search)([email], options)));
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

/** Groups the payments of a search by their accounts. `has_more` says that the search has not found them all. */
export const groupPayments = (
  accounts: readonly string[],
  { data, has_more }: { readonly data: readonly Owned<ApiPayment>[]; readonly has_more: boolean },
): Map<string, AccountPayments> => {
  const isWhole = !has_more && data.every(({ owner }) => owner !== null);
  return new Map(
    accounts.map((account): [string, AccountPayments] => {
      // Nothing says which of them are missing, so an incomplete answer serves nobody.
      if (!isWhole) return [account, {}];
      return [account, { all: newestFirst(data.flatMap(({ item, owner }) => (owner === account ? [item] : []))) }];
    }),
  );
};

export const oldestFirst = (accounts: Accounts): Accounts =>
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
