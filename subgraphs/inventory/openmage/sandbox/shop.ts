import { keep } from '../../../../sandbox/bounds.ts';
import { createCompany, type Product } from '../../../../sandbox/company.ts';
import type { Random } from '../../../../sandbox/random.ts';
import { OPERATIONS } from './contract.ts';
import { ATTRIBUTE_SET, createFilter, PRODUCT_TYPE, valuesOf } from './filters.ts';
import { findBySku, toPhpInt, toSqlNumber } from './identify.ts';
import { Fault, type XmlValue } from './messages.ts';

type StockItem = Product & { stock: number; inStock: boolean; backorders: number; manageStock: boolean };

export type Shop = { readonly call: (operation: string, input: Record<string, unknown>) => XmlValue };

export type ShopOptions = {
  readonly username: string;
  readonly apiKey: string;
  readonly sessionLifetimeS: number;
  readonly now: () => number;
  readonly random: Random;
  /** Goods beside the company's. */
  readonly products: readonly Product[];
};

/** The shop behind the SOAP interface: sessions, goods and their stock. Throws Fault with the shop's own codes. */
export const createShop = ({ username, apiKey, sessionLifetimeS, now, random, products }: ShopOptions): Shop => {
  const sessions = new Map<string, number>();
  const items = [...createCompany().products, ...products]
    .map(
      (product): StockItem => ({
        ...product,
        stock: product.quantity,
        inStock: product.quantity !== 0,
        backorders: product.quantity < 0 ? 1 : 0,
        manageStock: true,
      }),
    )
    .sort((one, other) => Number(one.id) - Number(other.id));
  const findById = (id: number) => items.find((item) => Number(item.id) === id);

  const updateStock = (text: string, data: StockUpdate): void => {
    const item = findBySku(items, text) ?? findById(toPhpInt(text));
    if (!item) throw new Fault(101, 'Product not exists.');
    update(item, data);
  };

  const operations: Record<string, (input: Record<string, unknown>) => XmlValue> = {
    login: (input) => {
      if (!input['username'] || !input['apiKey']) throw missingParameter();
      if (input['username'] !== username || input['apiKey'] !== apiKey) throw new Fault(2, 'Access denied.');
      const session = random.token(32).toLowerCase();
      keep(sessions, session, now() + sessionLifetimeS * 1000);
      return session;
    },
    endSession: (input) => {
      sessions.delete(String(input['sessionId']));
      return true;
    },
    call: failLikePhp,
    multiCall: failLikePhp,
    catalogInventoryStockItemList: (input) => {
      // A text is a SKU if there is one like it, and otherwise whatever number it begins with.
      const wanted = new Set(
        arrayOf(input['productIds'])
          .map(String)
          .map((text) => findBySku(items, text) ?? findById(toSqlNumber(text))),
      );
      // In the order of the shop's own ids, each once, and without a word about those it does not know.
      return {
        complexObjectArray: items
          .filter((item) => wanted.has(item))
          .map(({ id, sku, stock, inStock }) => ({
            product_id: id,
            sku,
            qty: stock.toFixed(4),
            is_in_stock: inStock ? '1' : '0',
          })),
      };
    },
    catalogInventoryStockItemUpdate: (input) => {
      updateStock(String(input['productId']), input['data'] as StockUpdate);
      return 1;
    },
    catalogInventoryStockItemMultiUpdate: (input) => {
      const [ids, data] = [arrayOf(input['productIds']).map(String), arrayOf(input['productData'])];
      if (ids.length !== data.length) {
        throw new Fault(103, 'Quantity of product IDs and product data should match. Inventory was not updated.');
      }
      // One after the other: those before an unknown one are updated.
      for (const [index, id] of ids.entries()) updateStock(id, data[index] as StockUpdate);
      return true;
    },
    catalogProductList: (input) => ({
      complexObjectArray: items.filter(createFilter(input['filters'])).map(({ id, sku, name }) => ({
        product_id: id,
        sku,
        name,
        set: ATTRIBUTE_SET,
        type: PRODUCT_TYPE,
        category_ids: { complexObjectArray: ['3'] },
        website_ids: { complexObjectArray: ['1'] },
      })),
    }),
  };

  return {
    call: (operation, input) => {
      const work = operations[operation];
      if (!work) throw new Fault(3, 'Invalid api path.');
      if (!SESSIONLESS.has(operation)) {
        // The shop looks for parameters before it looks for the session.
        if (requiredOf(operation).some((name) => input[name] === undefined)) throw missingParameter();
        if ((sessions.get(String(input['sessionId'])) ?? 0) <= now()) {
          throw new Fault(5, 'Session expired. Try to relogin.');
        }
      }
      return work(input);
    },
  };
};

const SESSIONLESS: ReadonlySet<string> = new Set(['login', 'endSession', 'call', 'multiCall']);

const requiredOf = (operation: string): string[] =>
  Object.entries(OPERATIONS[operation]?.input ?? {}).flatMap(([name, type]) =>
    name === 'sessionId' || type.endsWith('?') ? [] : [name],
  );

const missingParameter = (): Fault =>
  new Fault(6, 'Required parameter is missing, for more details see "exception.log".');

/**
 * The shop's WSDL has these, but their handler takes the whole message for a session's id: PHP gives up on it, whoever
 * calls (`Mage_Api_Model_Server_Wsi_Handler` does not redefine them; tried with PHP 8.2).
 */
const failLikePhp = (): never => {
  throw new Fault('SOAP-ENV:Server', 'Object of class stdClass could not be converted to string');
};

type StockUpdate = Readonly<Record<string, string>>;

const update = (item: StockItem, data: StockUpdate): void => {
  const { qty, is_in_stock: inStock, backorders, manage_stock: manageStock } = data;
  if (qty !== undefined && !/^-?\d+(\.\d+)?$/.test(qty)) throw new Fault(102, 'Stock item was not updated.');
  if (qty !== undefined) item.stock = Number(qty);
  if (backorders !== undefined) item.backorders = Number(backorders);
  if (manageStock !== undefined) item.manageStock = manageStock === '1';
  if (inStock !== undefined) item.inStock = inStock === '1';
  // Nothing left and nothing to be sold in advance: the shop takes it out of stock whatever was asked.
  if (item.manageStock && item.backorders === 0 && item.stock <= 0) item.inStock = false;
};

const arrayOf = (array: unknown): readonly unknown[] => {
  const values = (array as { complexObjectArray?: unknown[] } | undefined)?.complexObjectArray;
  return Array.isArray(values) ? values : [];
};

/** What a call asks for, for the call log. */
export const keysOf = (input: Record<string, unknown>): string[] => {
  if (input['productId'] !== undefined) return [String(input['productId'])];
  return input['productIds'] !== undefined ? arrayOf(input['productIds']).map(String) : valuesOf(input['filters']);
};
