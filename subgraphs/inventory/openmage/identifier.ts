import { UpstreamError } from '../../../connectors/errors.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { ApiStockItem, Entry, OpenMageApi } from './api.ts';

/** The product that a write is for, as the shop knew it just before. */
export type StockTarget = {
  readonly sku: string;
  readonly productId: string;
  /** The text by which an update reaches this product and no other. */
  readonly identifier: string;
  readonly before: ApiStockItem;
};

const OPERATION = 'catalogInventoryStockItemList';

/** Longer than any SKU: the shop's column has 64 characters, and one that somebody widened at most 255. */
const LONGER_THAN_ANY_SKU = 256;

/**
 * The texts that an update can name a product by. The shop reads an identifier as a SKU first, and as an id only if no
 * product has a SKU like it: an id that is some product's SKU would reach that one. With leading zeros it is still the
 * same number to PHP and MySQL (tried on MariaDB 10.11 and PHP 8.2), but too long for a SKU.
 */
const identifiersOf = (productId: string): readonly string[] => [
  productId,
  productId.padStart(LONGER_THAN_ANY_SKU, '0'),
];

/**
 * Finds the product that has exactly this SKU, byte by byte, and a text by which an update reaches it and no other.
 *
 * The SKU itself is no such text: were the product renamed or deleted in the meantime, the shop would take the SKU for
 * the id of another one. The stock list resolves an identifier just as the update does, so each candidate is tried on the
 * list first. Costs two calls, one more where the id is some product's SKU; nothing is answered from the cache.
 *
 * Throws UPSTREAM_NOT_FOUND where no product has this SKU, UPSTREAM_REJECTED (AMBIGUOUS) where several have it or no
 * identifier reaches it alone, UPSTREAM_BAD_RESPONSE where the shop does not say its id. Nothing has been written then.
 */
export const chooseIdentifier = async (
  api: Pick<OpenMageApi, 'stockByIdentifier'>,
  sku: string,
  call: RequestOptions,
): Promise<StockTarget> => {
  const before = onlyItemOf(await api.stockByIdentifier(sku, call), sku);
  const { productId } = before;
  if (productId === undefined || !/^[1-9]\d{0,18}$/.test(productId)) {
    throw failure('UPSTREAM_BAD_RESPONSE', `${OPERATION} answered without a product id`);
  }
  for (const identifier of identifiersOf(productId)) {
    const reached = await api.stockByIdentifier(identifier, call);
    if (reached.length === 1 && isItem(reached[0], sku, productId)) return { sku, productId, identifier, before };
  }
  throw ambiguous('the product cannot be told from another one');
};

/** Whether an entry is about this product. */
const isItem = (entry: Entry<ApiStockItem> | undefined, sku: string, productId: string): boolean =>
  entry?.sku === sku && !(entry.value instanceof Error) && entry.value.productId === productId;

/** The only entry with exactly this SKU. */
const onlyItemOf = (entries: readonly Entry<ApiStockItem>[], sku: string): ApiStockItem => {
  const [entry, another] = entries.filter((one) => one.sku === sku);
  if (another) throw ambiguous('several products have the same SKU');
  if (entry?.value instanceof Error) throw entry.value;
  if (entry) return entry.value;
  if (entries.some((one) => one.sku === undefined)) {
    throw failure('UPSTREAM_BAD_RESPONSE', `${OPERATION} answered with an entry without a SKU`);
  }
  throw failure('UPSTREAM_NOT_FOUND', 'no product has exactly this SKU');
};

const failure = (code: 'UPSTREAM_BAD_RESPONSE' | 'UPSTREAM_NOT_FOUND', message: string): UpstreamError =>
  new UpstreamError(code, 'inventory', message, { operation: OPERATION });

const ambiguous = (message: string): UpstreamError =>
  new UpstreamError('UPSTREAM_REJECTED', 'inventory', message, { operation: OPERATION, reason: 'AMBIGUOUS' });
