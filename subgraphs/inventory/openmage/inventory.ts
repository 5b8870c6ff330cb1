import type { BackorderPolicy } from '../generated.ts';
import type { Inventory } from '../model.ts';
import type { StockUpdate } from './api.ts';
import type { OpenMageSession } from './definition.ts';
import { setStock } from './set-stock.ts';

const BACKORDERS: Readonly<Record<BackorderPolicy, NonNullable<StockUpdate['backorders']>>> = {
  NO: 0,
  ALLOW: 1,
  ALLOW_AND_NOTIFY: 2,
};

/** Implements the inventory subgraph's model over an OpenMage shop. */
export const createInventory = (session: OpenMageSession): Inventory => {
  const { stock, catalogue } = session.loaders;
  return {
    stock: stock.load,
    stocks: stock.loadMany,
    name: async (sku) => (await catalogue.load(sku))?.name ?? null,
    setStock: (sku, { backorderPolicy, ...update }) =>
      setStock(sku, { ...update, backorders: backorderPolicy && BACKORDERS[backorderPolicy] }, session),
  };
};
