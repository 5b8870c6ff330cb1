import { z } from 'zod';
import { type InvalidItem, isInvalidItem, itemOrError } from '../../../connectors/reads/items.ts';
import { type Connection, readCursor, toConnection, writeCursor } from '../../kit/connection.ts';
import { badInput } from '../../kit/errors.ts';
import type { Page } from '../model.ts';
import type { AccountPage, PageOfAccount } from './api.ts';
import { badResponse } from './error-reasons.ts';
import { mapItem } from './mapping.ts';

// A position in the merged list holds, for each account, the id of its last item before the position.
const ID = { payments: /^pi_\w+$/, invoices: /^in_\w+$/ };
const OPERATION = { payments: 'GET /v1/payment_intents', invoices: 'GET /v1/invoices' } as const;
const positionsIn = (list: keyof typeof ID) => z.record(z.string().regex(/^cus_\w+$/), z.string().regex(ID[list]));

const EMPTY_PAGE = { data: [], has_more: false };

type Listed = { readonly id: string; readonly created: number };

/**
 * Loads a connection over the merged lists of a customer's accounts, newest first. One request for each account and page. An
 * invalid item keeps its position after its predecessor.
 */
export const pageThroughAccounts = async <Item extends Listed, Node>(
  list: keyof typeof ID,
  accounts: readonly string[],
  { first, after }: Page,
  load: (page: PageOfAccount) => Promise<AccountPage<Item> | null>,
  toNode: (item: Item) => Node,
): Promise<Connection<Node>> => {
  const start = after ? readCursor(positionsIn(list), after) : {};
  // The cursor belongs to another customer's list.
  if (Object.keys(start).some((account) => !accounts.includes(account))) {
    throw badInput('after', 'is not a cursor of this list');
  }
  const pages = await Promise.all(
    accounts.map(async (account) => ({
      account,
      page: (await load({ account, limit: first, after: start[account] })) ?? EMPTY_PAGE,
    })),
  );
  const merged = merge(pages.map(({ account, page }) => placeItems(account, page.data)));
  const positions = { ...start };
  const edges: Connection<Node>['edges'] = merged.slice(0, first).map(({ account, item }) => {
    if (item.id !== null && ID[list].test(item.id)) positions[account] = item.id;
    return { cursor: writeCursor(positions), node: itemOrError('payments', mapItem(item, toNode)) };
  });
  const hasMore = merged.length > first || pages.some(({ page }) => page.has_more);
  // Without progress, the next page would be this one again, or the first.
  const last = edges.at(-1);
  if (hasMore && (!last || last.cursor === writeCursor(start))) {
    throw badResponse(OPERATION[list], 'a page without an id to go on after');
  }
  return toConnection(edges, { after, hasNextPage: hasMore });
};

/** An item with its account. `created` is the preceding item's if its own cannot be read. */
type PlacedItem<Item> = {
  readonly account: string;
  readonly item: (Item & { readonly id: string }) | InvalidItem;
  readonly created: number;
};

const placeItems = <Item extends Listed>(
  account: string,
  data: readonly (Item | InvalidItem)[],
): PlacedItem<Item>[] => {
  let last = Number.POSITIVE_INFINITY;
  return data.map((item) => {
    if (!isInvalidItem(item)) last = item.created;
    return { account, item, created: last };
  });
};

/** Merges lists sorted newest first, and keeps the order within each: positions are ids in the provider's lists. */
const merge = <Item>(lists: readonly (readonly PlacedItem<Item>[])[]): PlacedItem<Item>[] => {
  const heads = lists.map((places) => ({ places, next: 0 }));
  const merged: PlacedItem<Item>[] = [];
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

/** Orders by time and then by id, so that items of the same second have the same order on every page. */
const isNewer = <Item>(a: PlacedItem<Item>, b: PlacedItem<Item>): boolean =>
  a.created === b.created ? (a.item.id ?? '') > (b.item.id ?? '') : a.created > b.created;
