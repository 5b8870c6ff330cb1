import { setBounded } from '../../../../sandbox/bounds.ts';
import { createCompany, type Product } from '../../../../sandbox/company.ts';
import type { Random } from '../../../../sandbox/random.ts';
import { OPERATIONS } from './contract.ts';
import { ATTRIBUTE_SET, createFilter, PRODUCT_TYPE, valuesOf } from './filters.ts';
import { findBySku, toPhpInt, toSqlNumber } from './identify.ts';
import { Fault, type XmlValue } from './messages.ts';

type StockItem = Product & { stock: number; inStock: boolean; backorders: number; manageStock: boolean };

export type Shop = { readonly call: (operation: string, input: Record<string, unknown>) => XmlValue };

export type ShopOptions = {
  /** By the name of their API user. */
  readonly apiKeys: ReadonlyMap<string, string>;
  readonly sessionLifetimeS: number;
  readonly now: () => number;
  readonly random: Random;
  /** Additional products. */
  readonly products: readonly Product[];
};

/** Creates the shop behind the SOAP API: sessions, products and their stock. Throws Fault with the shop's codes. */
export const createShop = ({ apiKeys, sessionLifetimeS, now, random, products }: ShopOptions): Shop => {
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
      if (apiKeys.get(String(input['username'])) !== input['apiKey']) throw new Fault(2, 'Access denied.');
      const session = random.token(32).toLowerCase();
      setBounded(sessions, session, now() + sessionLifetimeS * 1000);
      return session;
    },
    endSession: (input) => {
      sessions.delete(String(input['sessionId']));
      return true;
    },
    call: failLikePhp,
    multiCall: failLikePhp,
    catalogInventoryStockItemList: (input) => {
      // An identifier is a SKU if one matches, otherwise the id at its start.
      const wanted = new Set(
        arrayOf(input['productIds'])
          .map(String)
          .map((text) => findBySku(items, text) ?? findById(toSqlNumber(text))),
      );
      // Ordered by id, without duplicates, and silently omitting unknown ones.
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
      // Not atomic: products before an unknown one are updated.
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
        // The shop checks the parameters before the session.
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
 * Fails like the shop for operations that its WSDL describes but that never work: their handler uses the whole message as
 * the session id, so PHP fails (`Mage_Api_Model_Server_Wsi_Handler` does not override them; tried with PHP 8.2).
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
  // Without stock and backorders, the shop marks the product as out of stock whatever was requested.
  if (item.manageStock && item.backorders === 0 && item.stock <= 0) item.inStock = false;
};

const arrayOf = (array: unknown): readonly unknown[] => {
  const values = (array as { complexObjectArray?: unknown[] } | undefined)?.complexObjectArray;
  return Array.isArray(values) ? values : [];
};

/** Returns the keys of a request, for the call log. */
export const keysOf = (input: Record<string, unknown>): string[] => {
  if (input['productId'] !== undefined) return [String(input['productId'])];
  return input['productIds'] !== undefined ? arrayOf(input['productIds']).map(String) : valuesOf(input['filters']);
};
