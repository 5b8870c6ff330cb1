import { z } from 'zod';
import { type Connection, readCursor, toConnection, writeCursor } from '../connection.ts';
import { badInput } from '../errors.ts';
import { type AccountPage, newestFirst } from './readers.ts';
import type { PageOfAccount } from './upstream.ts';

// A place in the merged list: for each account, the last of its things that came before.
const POSITIONS = {
  payments: z.record(z.string().regex(/^cus_\w+$/), z.string().regex(/^pi_\w+$/)),
  invoices: z.record(z.string().regex(/^cus_\w+$/), z.string().regex(/^in_\w+$/)),
};

const NOTHING = { data: [], has_more: false };

type Listed = { readonly id: string; readonly created: number };

/**
 * A connection over what several accounts of one person hold, newest first, as if they were one account. One call for
 * each account and page.
 */
export const pageThroughAccounts = async <Item extends Listed>(
  list: keyof typeof POSITIONS,
  accounts: readonly string[],
  { first, after }: { first: number; after?: string | null | undefined },
  load: (page: PageOfAccount) => Promise<AccountPage<Item> | null>,
): Promise<Connection<Item>> => {
  const start = after ? readCursor(POSITIONS[list], after) : {};
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
  const merged = pages
    .flatMap(({ account, page }) => page.data.map((node) => ({ account, node })))
    .sort((a, b) => newestFirst(a.node, b.node));
  const positions = { ...start };
  const edges = merged.slice(0, first).map(({ account, node }) => {
    positions[account] = node.id;
    return { cursor: writeCursor(positions), node };
  });
  return toConnection(edges, merged.length > first || pages.some(({ page }) => page.has_more));
};
