import { z } from 'zod';
import { createCachedCredential } from '../../../connectors/credential.ts';
import {
  isUpstreamError,
  type RejectionReason,
  UpstreamError,
  type UpstreamErrorCode,
} from '../../../connectors/errors.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import { operation } from '../../../connectors/reads/read.ts';
import { parseResponse } from '../../../connectors/transports/parse.ts';
import type { SoapConnector } from '../../../connectors/transports/soap.ts';
import { isSku } from '../sku.ts';

/** Operations that every shop offers. The catalogue's may be left out. */
export const REQUIRED_OPERATIONS = [
  'login',
  'catalogInventoryStockItemList',
  'catalogInventoryStockItemUpdate',
] as const;

/** The operations that the graph calls. */
export type OpenMageOperation = (typeof REQUIRED_OPERATIONS)[number] | 'catalogProductList';

/** SKUs in one call. The shop sets no limit; 200 keep an answer near 30 kB, since XML is parsed on the main thread. */
export const MAX_SKUS = 200;

const trimmed = z.string().trim();

// All values are text: "3.0000", "1". The WSDL lets every one of them be absent.
const StockItem = z
  .object({
    product_id: trimmed.optional(),
    // Not trimmed: a SKU may begin or end with a space.
    sku: z.string(),
    qty: trimmed.regex(/^-?\d{1,15}(\.\d{1,15})?$/),
    is_in_stock: trimmed.pipe(z.enum(['0', '1'])),
  })
  .transform(({ product_id, sku, qty, is_in_stock }) => ({
    sku,
    quantity: Number(qty),
    isInStock: is_in_stock === '1',
    productId: product_id,
  }));
export type ApiStockItem = z.output<typeof StockItem>;

const CatalogEntry = z.object({ sku: z.string(), name: trimmed });
export type ApiCatalogEntry = z.output<typeof CatalogEntry>;

const Named = z.looseObject({ sku: z.string() });

// An empty list comes as an empty element.
const ListAnswer = z.object({
  result: z.object({ complexObjectArray: z.array(z.unknown()).default([]) }).nullable(),
});

const LoginAnswer = z.object({ result: trimmed.min(1) });

// The interface declares a number and the server answers `true`, or else a fault.
const UpdateAnswer = z.object({ result: z.union([z.literal(1), z.literal(true)]) });

export type StockUpdate = {
  readonly quantity?: number | undefined;
  readonly isInStock?: boolean | undefined;
  /** 0 no, 1 yes, 2 yes and the buyer is told. */
  readonly backorders?: 0 | 1 | 2 | undefined;
};

// The shop's own fault codes. Source: Mage_Api and Mage_CatalogInventory, api.xml.
const SESSION_EXPIRED = '5';

/** What the shop calls an unknown and an internal error. */
export const SERVER_FAULTS = ['0', '1'] as const;

const FAULTS: ReadonlyMap<string, { code: UpstreamErrorCode; reason?: RejectionReason }> = new Map([
  ['2', { code: 'UPSTREAM_UNAUTHORIZED' }],
  [SESSION_EXPIRED, { code: 'UPSTREAM_UNAUTHORIZED' }],
  ['101', { code: 'UPSTREAM_NOT_FOUND' }],
  ['102', { code: 'UPSTREAM_REJECTED', reason: 'INVALID_VALUE' }],
  ['103', { code: 'UPSTREAM_REJECTED', reason: 'INVALID_VALUE' }],
]);

export type OpenMageOptions = {
  readonly soap: SoapConnector<OpenMageOperation>;
  readonly username: string;
  readonly apiKey: string;
};

/**
 * The calls of an OpenMage shop's SOAP API (V2, WS-I) that the graph needs. Every call throws UpstreamError.
 * One session is shared by all callers and renewed when the shop says that it has expired.
 */
export const createOpenMageApi = ({ soap, username, apiKey }: OpenMageOptions) => {
  const session = createCachedCredential({
    upstream: 'inventory',
    acquire: async () => {
      const input = { username, apiKey };
      try {
        const { result } = await soap.call({
          operation: 'login',
          input,
          response: LoginAnswer,
          write: false,
          skipRateLimit: true,
        });
        return { value: result };
      } catch (error) {
        throw toFailure(error, false);
      }
    },
    isRejected: (error) => isUpstreamError(error, 'UPSTREAM_REJECTED') && error.details.fault === SESSION_EXPIRED,
  });

  const call = async <Schema extends z.ZodType>(
    operation: OpenMageOperation,
    input: Readonly<Record<string, unknown>>,
    response: Schema,
    options: RequestOptions,
    write = false,
  ): Promise<z.output<Schema>> => {
    try {
      return await session.use(
        (sessionId) => soap.call({ ...options, operation, input: { sessionId, ...input }, response, write }),
        options,
      );
    } catch (error) {
      throw toFailure(error, write);
    }
  };

  /** The entries of a list in the shop's order: what each is about, undefined where it does not say, and its value. */
  const readEntries = async <Schema extends z.ZodType>(
    operation: OpenMageOperation,
    input: Readonly<Record<string, unknown>>,
    item: Schema,
    options: RequestOptions,
  ): Promise<Entry<z.output<Schema>>[]> => {
    const { result } = await call(operation, input, ListAnswer, options);
    return (result?.complexObjectArray ?? []).map((entry) => {
      const named = Named.safeParse(entry);
      const sku = named.success ? named.data.sku : undefined;
      try {
        return { sku, value: parseResponse(item, entry, { upstream: 'inventory', operation }) };
      } catch (error) {
        return { sku, value: error as Error };
      }
    });
  };

  const listStock = (identifiers: readonly string[], options: RequestOptions) =>
    readEntries(
      'catalogInventoryStockItemList',
      { productIds: { complexObjectArray: identifiers } },
      StockItem,
      options,
    );

  const listCatalog = (field: 'sku' | 'product_id', values: readonly string[], options: RequestOptions) => {
    // The value of `in` is cut at its commas, and there is no way to write one within a value.
    const filter = { key: field, value: { key: 'in', value: values.join(',') } };
    const input = { filters: { complex_filter: { complexObjectArray: [filter] } } };
    return readEntries('catalogProductList', input, CatalogEntry, options);
  };

  /**
   * The stock of up to 200 SKUs, by SKU. Leaves out the unknown ones; an entry that cannot be read is an Error. A SKU
   * that the shop takes for another product's, by its case or as an id, is unknown.
   */
  const stockBySkus = operation(
    'catalogInventoryStockItemList',
    (name) => async (skus: readonly string[], options: RequestOptions) => {
      const askable = skus.filter(isSku);
      return askable.length === 0
        ? new Map<string, ApiStockItem | Error>()
        : bySku(askable, await listStock(askable, options), name);
    },
  );

  /** Catalogue entries of SKUs with commas, which the filter cannot name: by the product ids of their stock. */
  const catalogByIds = async (skus: readonly string[], options: RequestOptions): Promise<Entry<ApiCatalogEntry>[]> => {
    const stock = await stockBySkus(skus, options);
    const failed: Entry<never>[] = [];
    const ids: string[] = [];
    for (const sku of skus) {
      const item = stock.get(sku);
      if (item instanceof Error) failed.push({ sku, value: item });
      else if (item?.productId) ids.push(item.productId);
    }
    return [...failed, ...(ids.length === 0 ? [] : await listCatalog('product_id', ids, options))];
  };

  return {
    stockBySkus,

    /**
     * The entries that the shop's stock list has for one text, which it reads as a SKU or else as a product id: the same
     * product that an update with this text would change.
     */
    stockByIdentifier: (identifier: string, options: RequestOptions) => listStock([identifier], options),

    /**
     * The catalogue's entries for up to 200 SKUs, by SKU; nothing at all where the shop does not offer its catalogue.
     * One call, and two more where some of them have commas.
     */
    catalogueBySkus: operation(
      'catalogProductList',
      (name) => async (skus: readonly string[], options: RequestOptions) => {
        const askable = skus.filter(isSku);
        if (askable.length === 0 || !(await soap.offers(name, options))) {
          return new Map<string, ApiCatalogEntry | Error>();
        }
        const withComma = askable.filter((sku) => sku.includes(','));
        const others = askable.filter((sku) => !sku.includes(','));
        const named = others.length > 0 ? await listCatalog('sku', others, options) : [];
        const identified =
          withComma.length > 0
            ? await catalogByIds(withComma, options).catch((error: Error) => {
                if (others.length === 0) throw error;
                return withComma.map((sku) => ({ sku, value: error }));
              })
            : [];
        return bySku(askable, [...named, ...identified], name);
      },
    ),

    /**
     * Sets what is given and leaves the rest. The shop looks for a product whose SKU is like `identifier`, without regard
     * to case, and then for one whose id is the number at its start: see `chooseIdentifier`.
     * Throws UPSTREAM_NOT_FOUND where there is neither, UPSTREAM_OUTCOME_UNKNOWN where the shop did not say clearly
     * whether it has set it.
     */
    updateStock: async (
      identifier: string,
      { quantity, isInStock, backorders }: StockUpdate,
      options: RequestOptions,
    ): Promise<true> => {
      const data = {
        ...(quantity !== undefined && { qty: String(quantity) }),
        ...(isInStock !== undefined && { is_in_stock: isInStock ? 1 : 0 }),
        // Without this the shop's general setting goes before that of the goods.
        ...(backorders !== undefined && { backorders, use_config_backorders: 0 }),
      };
      await call('catalogInventoryStockItemUpdate', { productId: identifier, data }, UpdateAnswer, options, true);
      return true;
    },
  };
};

export type OpenMageApi = ReturnType<typeof createOpenMageApi>;

/** One entry of a list. */
export type Entry<Value> = { readonly sku: string | undefined; readonly value: Value | Error };

/**
 * The entries of these SKUs, by SKU. Of two for one SKU the first is taken, as the shop does. Where an entry does not
 * say what it is about, a SKU without one may be its own: an Error, and not unknown to the shop.
 */
const bySku = <Value>(
  skus: readonly string[],
  entries: readonly Entry<Value>[],
  operation: OpenMageOperation,
): Map<string, Value | Error> => {
  const found = new Map<string, Value | Error>();
  for (const { sku, value } of entries) if (sku !== undefined && !found.has(sku)) found.set(sku, value);
  const nameless = entries.find(({ sku }) => sku === undefined);
  if (!nameless) return found;
  for (const sku of skus) {
    if (found.has(sku)) continue;
    const message = `${operation} answered with an entry without a SKU`;
    found.set(sku, new UpstreamError('UPSTREAM_BAD_RESPONSE', 'inventory', message, { operation }));
  }
  return found;
};

/** What a fault means. One that the shop's documentation does not have is the shop's own failure. */
const toFailure = (error: unknown, write: boolean): unknown => {
  if (!isUpstreamError(error, 'UPSTREAM_REJECTED')) return error;
  const { upstream, details } = error;
  if (details.fault === undefined) return error;
  const known = FAULTS.get(details.fault);
  const { code, reason } = known ?? { code: write ? 'UPSTREAM_OUTCOME_UNKNOWN' : 'UPSTREAM_UNAVAILABLE' };
  return new UpstreamError(code, upstream, `${details.operation} answered with fault ${details.fault}`, {
    ...details,
    reason,
    cause: error,
  });
};
