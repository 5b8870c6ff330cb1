import { z } from 'zod';
import { isUpstreamError } from '../../../connectors/errors.ts';
import type { KeyPage } from '../../../events/poller/polled-values.ts';

/*
 * The shop's catalogue in pages. `catalogProductList` has no limit and no pages, but it filters by ranges of ids. Ids have gaps where
 * products were deleted or imported with their own ids, so a range grows while it is empty.
 */

/** The number of ids in a range. A response has at most as many products, of about 400 bytes each. */
const WIDTH = 500;

/** The factor by which a range grows after an empty one: the whole of the column is empty after 13 requests. */
const GROWTH = 4;

/** The highest id: the column is `int(10) unsigned`. Source: Mage_Catalog, sql/catalog_setup. */
const MAX_ID = 4_294_967_295;

const Page = z.tuple([z.number(), z.number()]).catch([1, WIDTH]);

/** Reads one page by a function that lists the SKUs of the products with ids in a range. */
export const readCataloguePage = async (
  page: string | null,
  list: (from: number, to: number) => Promise<readonly string[]>,
): Promise<KeyPage> => {
  const [from, width] = Page.parse(page === null ? undefined : JSON.parse(page));
  try {
    const keys = await list(from, Math.min(MAX_ID, from + width - 1));
    const next = from + width;
    return { keys, next: next > MAX_ID ? null : JSON.stringify([next, keys.length === 0 ? width * GROWTH : WIDTH]) };
  } catch (error) {
    // After a gap, a wide range may have more products than a response may.
    if (!isUpstreamError(error, 'UPSTREAM_BAD_RESPONSE') || width <= WIDTH) throw error;
    return { keys: [], next: JSON.stringify([from, Math.ceil(width / GROWTH)]) };
  }
};
