import { z } from 'zod';
import { isUnusable, itemOrError, type Unusable } from '../../../connectors/reads/items.ts';
import { type Connection, readCursor, toConnection, writeCursor } from '../../kit/connection.ts';
import { badInput } from '../../kit/errors.ts';
import type { Page } from '../model.ts';
import type { AccountPage, PageOfAccount } from './api.ts';
import { unusableOf } from './error-reasons.ts';
import { mapItem } from './mapping.ts';

// A place in the merged list: for each account, the last of its things that came before.
const ID = { payments: /^pi_\w+$/, invoices: /^in_\w+$/ };
const OPERATION = { payments: 'GET /v1/payment_intents', invoices: 'GET /v1/invoices' } as const;
const positionsIn = (list: keyof typeof ID) => z.record(z.string().regex(/^cus_\w+$/), z.string().regex(ID[list]));

const NOTHING = { data: [], has_more: false };

type Listed = { readonly id: string; readonly created: number };

/**
 * A connection over what several accounts of one person hold, newest first, as if they were one account. One call for
 * each account and page. An item that cannot be used keeps its place behind the one it came after.
 */
export const pageThroughAccounts = async <Item extends Listed, Node>(
  list: keyof typeof ID,
  accounts: readonly string[],
  { first, after }: Page,
  load: (page: PageOfAccount) => Promise<AccountPage<Item> | null>,
  toNode: (item: Item) => Node,
): Promise<Connection<Node>> => {
  const start = after ? readCursor(positionsIn(list), after) : {};
  // A cursor of another customer's list.
  if (Object.keys(start).some((account) => !accounts.includes(account))) {
    throw badInput('after', 'is no cursor of this list');
  }
  const pages = await Promise.all(
    accounts.map(async (account) => ({
      account,
      page: (await load({ account, limit: first, after: start[account] })) ?? NOTHING,
    })),
  );
  const merged = merge(pages.map(({ account, page }) => placesIn(account, page.data)));
  const positions = { ...start };
  const edges: Connection<Node>['edges'] = merged.slice(0, first).map(({ account, item }) => {
    if (item.id !== null && ID[list].test(item.id)) positions[account] = item.id;
    return { cursor: writeCursor(positions), node: itemOrError('payments', mapItem(item, toNode)) };
  });
  const hasMore = merged.length > first || pages.some(({ page }) => page.has_more);
  // The next page would be this one again, or the first.
  const last = edges.at(-1);
  if (hasMore && (!last || last.cursor === writeCursor(start))) {
    throw unusableOf(OPERATION[list], 'a page without an id to go on after');
  }
  return toConnection(edges, { after, hasNextPage: hasMore });
};

/** An item at its place in one account's list. `created` is that of the item before it where its own cannot be read. */
type Place<Item> = {
  readonly account: string;
  readonly item: (Item & { readonly id: string }) | Unusable;
  readonly created: number;
};

const placesIn = <Item extends Listed>(account: string, data: readonly (Item | Unusable)[]): Place<Item>[] => {
  let last = Number.POSITIVE_INFINITY;
  return data.map((item) => {
    if (!isUnusable(item)) last = item.created;
    return { account, item, created: last };
  });
};

/** Merges lists that are newest first each, and keeps the order of each: positions are ids of the provider's own lists. */
const merge = <Item>(lists: readonly (readonly Place<Item>[])[]): Place<Item>[] => {
  const heads = lists.map((places) => ({ places, next: 0 }));
  const merged: Place<Item>[] = [];
  for (;;) {
    let newest: (typeof heads)[number] | undefined;
    for (const head of heads) {
      const place = head.places[head.next];
      const best = newest?.places[newest.next];
      if (place && (!best || isNewer(place, best))) newest = head;
    }
    const place = newest?.places[newest.next];
    if (!newest || !place) return merged;
    newest.next += 1;
    merged.push(place);
  }
};

/** Those of the same second are in one order, whatever the page. */
const isNewer = <Item>(a: Place<Item>, b: Place<Item>): boolean =>
  a.created === b.created ? (a.item.id ?? '') > (b.item.id ?? '') : a.created > b.created;
