import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import { reconcile } from '../../kit/reconcile.ts';
import type { Product } from '../model.ts';
import type { ApiStockItem, StockUpdate } from './api.ts';
import type { OpenMageSession } from './definition.ts';
import { chooseIdentifier, type StockTarget } from './identifier.ts';
import type { OpenMageOperation } from './operations.ts';

const OPERATION: OpenMageOperation = 'catalogInventoryStockItemUpdate';

/**
 * Sets the stock of the product with exactly this SKU, and returns the product as it is afterwards.
 *
 * Before the shop has accepted the update, an error means that nothing was written. Afterwards, stock that cannot be read back
 * makes the product's `stock` UPSTREAM_OUTCOME_UNKNOWN. If another product is read back, or the stock is unchanged, the whole
 * write is UPSTREAM_OUTCOME_UNKNOWN.
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

/** Runs the update and invalidates the stock, even if it failed: it may have been carried out. */
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

/** Returns true if the product's stock is as the update sets it; undefined if it is not or cannot be known. */
const isSet = async (
  { sku, productId }: StockTarget,
  { quantity, isInStock, backorders }: StockUpdate,
  { api, options: call }: OpenMageSession,
): Promise<true | undefined> => {
  // The stock list does not contain the backorder policy.
  if (backorders !== undefined) return undefined;
  const item = (await api.stockBySkus([sku], call)).get(sku);
  if (item === undefined || item instanceof Error || item.productId !== productId) return undefined;
  const isAsAsked =
    (quantity === undefined || item.quantity === quantity) && (isInStock === undefined || item.isInStock === isInStock);
  return isAsAsked ? true : undefined;
};

/** Reads the stock after an accepted update. Returns the error if it cannot be read. */
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
  // Read again: the connector does not retry an unusable response, and stock from before the update may come from a
  // lagging database replica.
  if (first.cause !== undefined && !isUpstreamError(first.cause, 'UPSTREAM_BAD_RESPONSE')) return first;
  await session.invalidate({ stock: [target.sku] });
  const second = await read();
  if (second instanceof UpstreamError && second.cause === undefined) throw second;
  return second;
};

/**
 * Whether an entry can be the product's stock after the update. Its quantity may differ from the one set: somebody may have
 * bought in between. But if it is still the old one, the update has not reached this product.
 */
const isPlausible = (item: ApiStockItem, { productId, before }: StockTarget, { quantity }: StockUpdate): boolean =>
  item.productId === productId &&
  (quantity === undefined || item.quantity === quantity || item.quantity !== before.quantity);

/** Invalidates the product that the identifier resolves to now, which the update may have reached instead. */
const invalidateReached = async ({ sku, identifier }: StockTarget, session: OpenMageSession): Promise<void> => {
  const entries = await session.api.stockByIdentifier(identifier, session.options).catch(() => []);
  await session.invalidate({ stock: [sku, ...entries.flatMap((entry) => entry.sku ?? [])] });
};

const unknown = (message: string, cause?: unknown): UpstreamError =>
  new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', 'inventory', message, { operation: OPERATION, cause });
