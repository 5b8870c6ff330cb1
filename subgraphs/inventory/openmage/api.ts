import { z } from 'zod';
import { UpstreamError } from '../../../connectors/errors.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import { operation } from '../../../connectors/reads/read.ts';
import { parseResponse } from '../../../connectors/transports/parse.ts';
import type { KeyPage } from '../../../events/poller/polled-values.ts';
import { isSku } from '../sku.ts';
import { readCataloguePage } from './catalogue-pages.ts';
import { toFailure } from './error-reasons.ts';
import type { OpenMageOperation } from './operations.ts';
import { createSession, type OpenMageOptions } from './session.ts';

const trimmed = z.string().trim();

// All values are strings: "3.0000", "1". In the WSDL, every one of them is optional.
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

// An empty list is an empty element.
const ListResponse = z.object({
  result: z.object({ complexObjectArray: z.array(z.unknown()).default([]) }).nullable(),
});

// The interface declares a number; the server returns `true`, or a fault.
const UpdateResponse = z.object({ result: z.union([z.literal(1), z.literal(true)]) });

export type StockUpdate = {
  readonly quantity?: number | undefined;
  readonly isInStock?: boolean | undefined;
  /** 0: no backorders, 1: allowed, 2: allowed, and the buyer is notified. */
  readonly backorders?: 0 | 1 | 2 | undefined;
};

/**
 * Creates the client for an OpenMage shop's SOAP API (V2, WS-I). Every function throws UpstreamError.
 * All callers share one session, which is renewed when the shop reports that it has expired.
 */
export const createOpenMageApi = ({ soap, username, apiKey }: OpenMageOptions) => {
  const session = createSession({ soap, username, apiKey });

  const call = async <Schema extends z.ZodType>(
    operation: OpenMageOperation,
    input: Readonly<Record<string, unknown>>,
    response: Schema,
    options: RequestOptions,
    write = false,
  ): Promise<z.output<Schema>> => {
    try {
      return await session.use(
        (sessionId, isRepeat) =>
          soap.call({
            ...options,
            operation,
            input: { sessionId, ...input },
            response,
            write,
            isRepeat: isRepeat || options.isRepeat,
          }),
        options,
      );
    } catch (error) {
      throw toFailure(error, write);
    }
  };

  /** Parses the entries of a list, in the shop's order: each entry's SKU, undefined if it has none, and its value. */
  const readEntries = async <Schema extends z.ZodType>(
    operation: OpenMageOperation,
    input: Readonly<Record<string, unknown>>,
    item: Schema,
    options: RequestOptions,
  ): Promise<Entry<z.output<Schema>>[]> => {
    const { result } = await call(operation, input, ListResponse, options);
    return (result?.complexObjectArray ?? []).map((entry) => {
      const named = Named.safeParse(entry);
      const sku = named.success ? named.data.sku : undefined;
      try {
        return { sku, value: parseResponse(item, entry, { subgraph: 'inventory', operation }) };
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

  const filterCatalog = (
    field: 'sku' | 'product_id',
    conditions: Readonly<Record<string, string>>,
    options: RequestOptions,
  ) => {
    const filters = Object.entries(conditions).map(([key, value]) => ({ key: field, value: { key, value } }));
    const input = { filters: { complex_filter: { complexObjectArray: filters } } };
    return readEntries('catalogProductList', input, CatalogEntry, options);
  };

  // The shop splits the value of `in` at commas and has no escape for them.
  const listCatalog = (field: 'sku' | 'product_id', values: readonly string[], options: RequestOptions) =>
    filterCatalog(field, { in: values.join(',') }, options);

  /**
   * Reads the stock of up to 200 SKUs, by SKU. Omits unknown ones; an invalid entry maps to an Error. A SKU that the shop
   * resolves to another product, by case or as an id, is unknown.
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

  /** Reads catalogue entries of SKUs with commas, which the filter cannot express, by the product ids of their stock. */
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
     * Reads the stock entries for an identifier, which the shop resolves as a SKU or else as a product id, exactly as an
     * update does.
     */
    stockByIdentifier: (identifier: string, options: RequestOptions) => listStock([identifier], options),

    /**
     * Reads the catalogue entries of up to 200 SKUs, by SKU; empty if the shop does not offer its catalogue.
     * One request, and two more if some SKUs contain commas.
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

    /** Reads a page of the SKUs of all products, in one request. Empty if the shop does not offer its catalogue. */
    skuPage: async (page: string | null, options: RequestOptions): Promise<KeyPage> => {
      if (!(await soap.offers('catalogProductList', options))) return { keys: [], next: null };
      return readCataloguePage(page, async (from, to) => {
        const entries = await filterCatalog('product_id', { from: String(from), to: String(to) }, options);
        return entries.flatMap(({ sku }) => (sku !== undefined && isSku(sku) ? [sku] : []));
      });
    },

    /**
     * Sets the given fields. The shop looks up `identifier` as a SKU, case-insensitively, and then as the id of a product,
     * which is the number at its start: see `chooseIdentifier`.
     * Throws UPSTREAM_NOT_FOUND if there is neither, UPSTREAM_OUTCOME_UNKNOWN if the response does not say clearly whether
     * the update was carried out.
     */
    updateStock: async (
      identifier: string,
      { quantity, isInStock, backorders }: StockUpdate,
      options: RequestOptions,
    ): Promise<true> => {
      const data = {
        ...(quantity !== undefined && { qty: String(quantity) }),
        ...(isInStock !== undefined && { is_in_stock: isInStock ? 1 : 0 }),
        // Without this, the shop's general setting overrides the product's.
        ...(backorders !== undefined && { backorders, use_config_backorders: 0 }),
      };
      await call('catalogInventoryStockItemUpdate', { productId: identifier, data }, UpdateResponse, options, true);
      return true;
    },
  };
};

export type OpenMageApi = ReturnType<typeof createOpenMageApi>;

/** One entry of a list: its SKU if known, and its value. */
export type Entry<Value> = { readonly sku: string | undefined; readonly value: Value | Error };

/**
 * Indexes entries by SKU. The first entry of a SKU wins, as in the shop. If an entry has no SKU, it may belong to any SKU
 * without an entry: those map to an Error instead of passing for unknown.
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
    const message = `${operation} responded with an entry without a SKU`;
    found.set(sku, new UpstreamError('UPSTREAM_BAD_RESPONSE', 'inventory', message, { operation }));
  }
  return found;
};
