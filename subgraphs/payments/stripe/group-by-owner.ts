import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import { type InvalidItem, isInvalidItem } from '../../../connectors/reads/items.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ApiPayment, StripeCustomer } from './wire-types.ts';

/** A result of a search for several customers. `owner` identifies the customer; null if it cannot be read. */
export type WithOwner<Item> = { readonly item: Item | InvalidItem; readonly owner: string | null };

/** A customer's accounts. */
export type Accounts = readonly (StripeCustomer | InvalidItem)[];

/** All payments of an account, newest first; undefined if the search result was incomplete. */
export type AccountPayments = { readonly all?: readonly (ApiPayment | InvalidItem)[] };

/**
 * Groups the accounts that `search` finds by address, oldest first. An account whose address cannot be read may belong to any
 * of the addresses. They are then searched one by one, so that it affects only its owner's accounts and is not missing there.
 */
export const groupAccounts =
  (search: (emails: readonly string[], options: RequestOptions) => Promise<readonly WithOwner<StripeCustomer>[]>) =>
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
    const groups = new Map<string, (StripeCustomer | InvalidItem)[]>();
    for (const { item, owner } of found) {
      const email = owner === null ? (emails[0] ?? '') : toAsciiLowerCase(owner);
      groups.set(email, [...(groups.get(email) ?? []), item]);
    }
    return new Map([...groups].map(([email, accounts]) => [email, oldestFirst(accounts)]));
  };

/** Groups the payments of a search by account. `has_more` means that the search did not return all of them. */
export const groupPayments = (
  accounts: readonly string[],
  { data, has_more }: { readonly data: readonly WithOwner<ApiPayment>[]; readonly has_more: boolean },
): Map<string, AccountPayments> => {
  const isComplete = !has_more && data.every(({ owner }) => owner !== null);
  return new Map(
    accounts.map((account): [string, AccountPayments] => {
      // It is unknown which payments are missing, so an incomplete result is not used for any account.
      if (!isComplete) return [account, {}];
      return [account, { all: newestFirst(data.flatMap(({ item, owner }) => (owner === account ? [item] : []))) }];
    }),
  );
};

export const oldestFirst = (accounts: Accounts): Accounts =>
  [...accounts].sort((a, b) => createdOf(a, Number.MAX_SAFE_INTEGER) - createdOf(b, Number.MAX_SAFE_INTEGER));

const createdOf = (item: { readonly created: number } | InvalidItem, otherwise: number): number =>
  isInvalidItem(item) ? otherwise : item.created;

/** Sorts newest first, and by id within the same second. An invalid item stays after its predecessor. */
const newestFirst = (payments: readonly (ApiPayment | InvalidItem)[]): (ApiPayment | InvalidItem)[] => {
  let last = Number.MAX_SAFE_INTEGER;
  return payments
    .map((item) => {
      last = createdOf(item, last);
      return { item, created: last };
    })
    .sort((a, b) => b.created - a.created || byId(a.item, b.item))
    .map(({ item }) => item);
};

const byId = (a: ApiPayment | InvalidItem, b: ApiPayment | InvalidItem): number => {
  if (isInvalidItem(a) || isInvalidItem(b) || a.id === b.id) return 0;
  return a.id < b.id ? 1 : -1;
};
