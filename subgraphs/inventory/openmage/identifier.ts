import { UpstreamError } from '../../../connectors/errors.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { ApiStockItem, Entry, OpenMageApi } from './api.ts';

/** The product that an update targets, as it was just before. */
export type StockTarget = {
  readonly sku: string;
  readonly productId: string;
  /** An identifier that the shop resolves to exactly this product. */
  readonly identifier: string;
  readonly before: ApiStockItem;
};

const OPERATION = 'catalogInventoryStockItemList';

/** Longer than any SKU: the shop's column has 64 characters, and a widened one at most 255. */
const LONGER_THAN_ANY_SKU = 256;

/**
 * Returns the candidate identifiers of a product. The shop resolves an identifier as a SKU first, and as an id only if no
 * product has such a SKU, so an id that equals another product's SKU would reach that one. With leading zeros it is still the
 * same number to PHP and MySQL (tried on MariaDB 10.11 and PHP 8.2), but too long to be a SKU.
 */
const identifiersOf = (productId: string): readonly string[] => [
  productId,
  productId.padStart(LONGER_THAN_ANY_SKU, '0'),
];

/**
 * Finds the product with exactly this SKU, byte by byte, and an identifier that resolves to it alone.
 *
 * The SKU is not such an identifier: if the product were renamed or deleted meanwhile, the shop would resolve the SKU as
 * another product's id. The stock list resolves identifiers exactly as an update does, so each candidate is tried on the list
 * first. Costs two requests, and one more if the id is another product's SKU; the cache is not used.
 *
 * Throws UPSTREAM_NOT_FOUND if no product has this SKU, UPSTREAM_REJECTED (AMBIGUOUS) if several have it or no identifier
 * resolves to it alone, UPSTREAM_BAD_RESPONSE if the response lacks its id. Nothing has been written in these cases.
 */
export const chooseIdentifier = async (
  api: Pick<OpenMageApi, 'stockByIdentifier'>,
  sku: string,
  call: RequestOptions,
): Promise<StockTarget> => {
  const before = onlyItemOf(await api.stockByIdentifier(sku, call), sku);
  const { productId } = before;
  if (productId === undefined || !/^[1-9]\d{0,18}$/.test(productId)) {
    throw failure('UPSTREAM_BAD_RESPONSE', `${OPERATION} responded without a product id`);
  }
  for (const identifier of identifiersOf(productId)) {
    const reached = await api.stockByIdentifier(identifier, call);
    if (reached.length === 1 && isItem(reached[0], sku, productId)) return { sku, productId, identifier, before };
  }
  throw ambiguous('no identifier resolves to this product alone');
};

/** Whether an entry belongs to this product. */
const isItem = (entry: Entry<ApiStockItem> | undefined, sku: string, productId: string): boolean =>
  entry?.sku === sku && !(entry.value instanceof Error) && entry.value.productId === productId;

/** Returns the only entry with exactly this SKU. Throws otherwise. */
const onlyItemOf = (entries: readonly Entry<ApiStockItem>[], sku: string): ApiStockItem => {
  const [entry, another] = entries.filter((one) => one.sku === sku);
  if (another) throw ambiguous('several products have the same SKU');
  if (entry?.value instanceof Error) throw entry.value;
  if (entry) return entry.value;
  if (entries.some((one) => one.sku === undefined)) {
    throw failure('UPSTREAM_BAD_RESPONSE', `${OPERATION} responded with an entry without a SKU`);
  }
  throw failure('UPSTREAM_NOT_FOUND', 'no product has exactly this SKU');
};

const failure = (code: 'UPSTREAM_BAD_RESPONSE' | 'UPSTREAM_NOT_FOUND', message: string): UpstreamError =>
  new UpstreamError(code, 'inventory', message, { operation: OPERATION });

const ambiguous = (message: string): UpstreamError =>
  new UpstreamError('UPSTREAM_REJECTED', 'inventory', message, { operation: OPERATION, reason: 'AMBIGUOUS' });
