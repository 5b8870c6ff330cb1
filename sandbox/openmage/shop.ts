import { createCompany, type Product } from '../company.ts';
import type { Random } from '../random.ts';
import { matches, readFilters, valuesOf } from './filters.ts';
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

  const operations: Record<string, (input: Record<string, unknown>) => XmlValue> = {
    login: (input) => {
      if (input['username'] !== username || input['apiKey'] !== apiKey) throw new Fault(2, 'Access denied.');
      const session = random.token(32).toLowerCase();
      sessions.set(session, now() + sessionLifetimeS * 1000);
      return session;
    },
    endSession: (input) => sessions.delete(String(input['sessionId'])),
    catalogInventoryStockItemList: (input) => {
      // A text is a SKU if there is one like it, and otherwise whatever number it begins with.
      const wanted = new Set(
        stringsOf(input['productIds']).map((text) => findBySku(items, text) ?? findById(toSqlNumber(text))),
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
      const text = String(input['productId']);
      const item = findBySku(items, text) ?? findById(toPhpInt(text));
      if (!item) throw new Fault(101, 'Product not exists.');
      update(item, input['data'] as Record<string, string>);
      return 1;
    },
    catalogProductList: (input) => {
      const conditions = readFilters(input['filters']);
      return {
        complexObjectArray: items
          .filter((item) => {
            const isMatch = matches(item, conditions);
            if (isMatch === undefined) throw new Fault(0, 'Unknown Error');
            return isMatch;
          })
          .map(({ id, sku, name }) => ({
            product_id: id,
            sku,
            name,
            set: '4',
            type: 'simple',
            category_ids: { complexObjectArray: ['3'] },
            website_ids: { complexObjectArray: ['1'] },
          })),
      };
    },
  };

  return {
    call: (operation, input) => {
      if (operation !== 'login' && (sessions.get(String(input['sessionId'])) ?? 0) <= now()) {
        throw new Fault(5, 'Session expired. Try to relogin.');
      }
      const work = operations[operation];
      if (!work) throw new Fault(3, 'Invalid api path.');
      return work(input);
    },
  };
};

const update = (item: StockItem, data: Record<string, string>): void => {
  const { qty, is_in_stock: inStock, backorders, manage_stock: manageStock } = data;
  if (qty !== undefined && !/^-?\d+(\.\d+)?$/.test(qty)) throw new Fault(102, 'Stock item was not updated.');
  if (qty !== undefined) item.stock = Number(qty);
  if (backorders !== undefined) item.backorders = Number(backorders);
  if (manageStock !== undefined) item.manageStock = manageStock === '1';
  if (inStock !== undefined) item.inStock = inStock === '1';
  // Nothing left and nothing to be sold in advance: the shop takes it out of stock whatever was asked.
  if (item.manageStock && item.backorders === 0 && item.stock <= 0) item.inStock = false;
};

const stringsOf = (array: unknown): string[] => {
  const values = (array as { complexObjectArray?: unknown[] } | undefined)?.complexObjectArray;
  return Array.isArray(values) ? values.map(String) : [];
};

/** What a call asks for, for the call log. */
export const keysOf = (input: Record<string, unknown>): string[] => {
  if (input['productId'] !== undefined) return [String(input['productId'])];
  return input['productIds'] !== undefined ? stringsOf(input['productIds']) : valuesOf(readFilters(input['filters']));
};
