import { z } from 'zod';
import type { CallOptions } from '../../connectors/chain.ts';
import { createSharedCredential } from '../../connectors/credential.ts';
import {
  isUpstreamError,
  type RejectionReason,
  UpstreamError,
  type UpstreamErrorCode,
} from '../../connectors/errors.ts';
import { parseAnswer } from '../../connectors/parse.ts';
import type { SoapConnector } from '../../connectors/soap.ts';

/** SKUs in one call. The shop sets no limit; 200 keep an answer near 30 kB, since XML is parsed on the main thread. */
export const MAX_SKUS = 200;

// All values are text: "3.0000", "1".
const StockItem = z
  .object({
    sku: z.string(),
    qty: z.string().regex(/^-?\d+(\.\d+)?$/),
    is_in_stock: z.enum(['0', '1']),
  })
  .transform(({ sku, qty, is_in_stock }) => ({ sku, quantity: Number(qty), isInStock: is_in_stock === '1' }));
export type ApiStockItem = z.output<typeof StockItem>;

const CatalogEntry = z.object({ sku: z.string(), name: z.string() });

const Keyed = z.looseObject({ sku: z.string() });

// An empty list comes as an empty element.
const ListAnswer = z.object({
  result: z.object({ complexObjectArray: z.array(Keyed).default([]) }).nullable(),
});

const LoginAnswer = z.object({ result: z.string().min(1) });
const UpdateAnswer = z.object({ result: z.unknown() });

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

export type OpenMageOptions = { readonly soap: SoapConnector; readonly username: string; readonly apiKey: string };

/**
 * The calls of an OpenMage shop's SOAP API (V2, WS-I) that the graph needs. Every call throws UpstreamError.
 * One session is shared by all callers and renewed when the shop says that it has expired.
 */
export const createOpenMageApi = ({ soap, username, apiKey }: OpenMageOptions) => {
  const session = createSharedCredential({
    upstream: 'inventory',
    obtain: async () => {
      const input = { username, apiKey };
      try {
        const { result } = await soap.call({
          operation: 'login',
          input,
          answer: LoginAnswer,
          write: false,
          isPrerequisite: true,
        });
        return { value: result };
      } catch (error) {
        throw toFailure(error, false);
      }
    },
    isRefused: (error) => isUpstreamError(error, 'UPSTREAM_REJECTED') && error.details.fault === SESSION_EXPIRED,
  });

  const call = async <Schema extends z.ZodType>(
    operation: string,
    input: Readonly<Record<string, unknown>>,
    answer: Schema,
    options: CallOptions,
    write = false,
  ): Promise<z.output<Schema>> => {
    try {
      return await session.use(
        (sessionId) => soap.call({ ...options, operation, input: { sessionId, ...input }, answer, write }),
        options,
      );
    } catch (error) {
      throw toFailure(error, write);
    }
  };

  const readList = async <Schema extends z.ZodType>(
    operation: string,
    input: Readonly<Record<string, unknown>>,
    item: Schema,
    options: CallOptions,
  ): Promise<Map<string, z.output<Schema> | Error>> => {
    const { result } = await call(operation, input, ListAnswer, options);
    const found = new Map<string, z.output<Schema> | Error>();
    for (const entry of result?.complexObjectArray ?? []) {
      try {
        found.set(entry.sku, parseAnswer(item, entry, { upstream: 'inventory', operation }));
      } catch (error) {
        found.set(entry.sku, error as Error);
      }
    }
    return found;
  };

  /** The stock of up to 200 SKUs, by SKU. Leaves out the unknown ones; an entry that cannot be read is an Error. */
  const stockBySkus = (skus: readonly string[], options: CallOptions) =>
    readList('catalogInventoryStockItemList', { productIds: { complexObjectArray: skus } }, StockItem, options);

  return {
    stockBySkus,

    /**
     * The catalogue's entries for up to 200 SKUs, by SKU; nothing at all where the shop does not offer its catalogue.
     * A SKU with a comma cannot be asked for: the filter takes a list with commas.
     */
    catalogueBySkus: async (skus: readonly string[], options: CallOptions) => {
      const askable = skus.filter((sku) => !sku.includes(','));
      if (askable.length === 0 || !(await soap.offers('catalogProductList', options))) {
        return new Map<string, z.output<typeof CatalogEntry> | Error>();
      }
      const filter = { key: 'sku', value: { key: 'in', value: askable.join(',') } };
      const input = { filters: { complex_filter: { complexObjectArray: [filter] } } };
      return readList('catalogProductList', input, CatalogEntry, options);
    },

    /** Sets what is given and leaves the rest. Throws UPSTREAM_NOT_FOUND for a SKU the shop does not have. */
    updateStock: async (
      sku: string,
      { quantity, isInStock, backorders }: StockUpdate,
      options: CallOptions,
    ): Promise<true> => {
      const data = {
        ...(quantity !== undefined && { qty: String(quantity) }),
        ...(isInStock !== undefined && { is_in_stock: isInStock ? 1 : 0 }),
        // Without this the shop's general setting goes before that of the goods.
        ...(backorders !== undefined && { backorders, use_config_backorders: 0 }),
      };
      await call('catalogInventoryStockItemUpdate', { productId: sku, data }, UpdateAnswer, options, true);
      return true;
    },

    /** True where the stock is as an update would make it; undefined where it is not, or the shop does not tell. */
    hasStock: async (
      sku: string,
      { quantity, isInStock, backorders }: StockUpdate,
      options: CallOptions,
    ): Promise<true | undefined> => {
      // The list does not have the policy in it.
      if (backorders !== undefined) return undefined;
      const item = (await stockBySkus([sku], options)).get(sku);
      if (item === undefined || item instanceof Error) return undefined;
      const isAsAsked =
        (quantity === undefined || item.quantity === quantity) &&
        (isInStock === undefined || item.isInStock === isInStock);
      return isAsAsked ? true : undefined;
    },
  };
};

export type OpenMageApi = ReturnType<typeof createOpenMageApi>;

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
