import type * as graph from '../generated.ts';
import type { ApiStockItem, StockUpdate } from './api.ts';

/** A product as this subgraph refers to it; after a write with the stock that was read back, or why it was not. */
export type ProductRef = { readonly sku: string; readonly stock?: ApiStockItem | Error };

export const API_BACKORDERS: Readonly<Record<graph.BackorderPolicy, NonNullable<StockUpdate['backorders']>>> = {
  NO: 0,
  ALLOW: 1,
  ALLOW_AND_NOTIFY: 2,
};

/** Below zero the shop counts what it has sold and does not have. */
export const toOnHand = (quantity: number): number => Math.max(0, quantity);
export const toBackorders = (quantity: number): number => Math.max(0, -quantity);
