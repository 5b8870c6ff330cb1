import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import { reconcile } from '../../kit/reconcile.ts';
import type { Product } from '../model.ts';
import type { ApiStockItem, OpenMageOperation, StockUpdate } from './api.ts';
import { chooseIdentifier, type StockTarget } from './identifier.ts';
import type { OpenMageSession } from './inventory.ts';

const OPERATION: OpenMageOperation = 'catalogInventoryStockItemUpdate';

/**
 * Sets the stock of the product with exactly this SKU, and answers with the product as it is afterwards.
 *
 * Until the shop has taken the update, an error means that nothing was written. From then on no failure may: where the
 * stock cannot be read back the product is answered without it, and its `stock` is UPSTREAM_OUTCOME_UNKNOWN; where what is
 * read back is another product, or as if nothing had been set, that is the error of the whole.
 */
export const setStock = async (sku: string, update: StockUpdate, session: OpenMageSession): Promise<Product> => {
  const { api, options: call } = session;
  const target = await chooseIdentifier(api, sku, call);
  try {
    await withInvalidation(target, session, () =>
      reconcile(
        () => api.updateStock(target.identifier, update, call),
        () => isSet(target, update, session),
      ),
    );
    return { sku, stock: await readBack(target, update, session) };
  } catch (error) {
    if (isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN')) await invalidateReached(target, session);
    throw error;
  }
};

/** Runs the update and invalidates the stock: also where it failed, since it may have been carried out. */
const withInvalidation = async (
  target: StockTarget,
  session: OpenMageSession,
  write: () => Promise<unknown>,
): Promise<void> => {
  try {
    await write();
  } finally {
    await session.invalidate({ stock: [target.sku] });
  }
};

/** True where the product's stock is as the update would make it; undefined where it is not, or the shop does not tell. */
const isSet = async (
  { sku, productId }: StockTarget,
  { quantity, isInStock, backorders }: StockUpdate,
  { api, options: call }: OpenMageSession,
): Promise<true | undefined> => {
  // The list does not have the policy in it.
  if (backorders !== undefined) return undefined;
  const item = (await api.stockBySkus([sku], call)).get(sku);
  if (item === undefined || item instanceof Error || item.productId !== productId) return undefined;
  const isAsAsked =
    (quantity === undefined || item.quantity === quantity) && (isInStock === undefined || item.isInStock === isInStock);
  return isAsAsked ? true : undefined;
};

/** The stock after an update that the shop has taken; an error to be told in its place where it cannot be read. */
const readBack = async (
  target: StockTarget,
  update: StockUpdate,
  session: OpenMageSession,
): Promise<ApiStockItem | UpstreamError> => {
  const read = async (): Promise<ApiStockItem | UpstreamError> => {
    try {
      const item = await session.loaders.stock.load(target.sku);
      if (item && isPlausible(item, target, update)) return item;
      return unknown('what was set is not there');
    } catch (error) {
      return unknown('the stock that was set cannot be read', error);
    }
  };
  const first = await read();
  if (!(first instanceof UpstreamError)) return first;
  // An answer that cannot be used is not asked for again by the connector, and one from before the update may be that of
  // a database replica which is a little behind.
  if (first.cause !== undefined && !isUpstreamError(first.cause, 'UPSTREAM_BAD_RESPONSE')) return first;
  await session.invalidate({ stock: [target.sku] });
  const second = await read();
  if (second instanceof UpstreamError && second.cause === undefined) throw second;
  return second;
};

/**
 * Whether this can be the product's stock after the update. A quantity other than the one set can be: somebody may have
 * bought in between. But if it is still the one from before, then the update has not reached this product.
 */
const isPlausible = (item: ApiStockItem, { productId, before }: StockTarget, { quantity }: StockUpdate): boolean =>
  item.productId === productId &&
  (quantity === undefined || item.quantity === quantity || item.quantity !== before.quantity);

/** Whatever product the identifier now leads to may have been reached instead: nothing from before is given of it. */
const invalidateReached = async ({ sku, identifier }: StockTarget, session: OpenMageSession): Promise<void> => {
  const entries = await session.api.stockByIdentifier(identifier, session.options).catch(() => []);
  await session.invalidate({ stock: [sku, ...entries.flatMap((entry) => entry.sku ?? [])] });
};

const unknown = (message: string, cause?: unknown): UpstreamError =>
  new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', 'inventory', message, { operation: OPERATION, cause });
