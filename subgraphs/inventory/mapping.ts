import type * as graph from './generated.ts';
import type { StockUpdate } from './upstream.ts';

/** Goods as this subgraph refers to them. */
export type ProductRef = { readonly sku: string };

export const API_BACKORDERS: Readonly<Record<graph.BackorderPolicy, NonNullable<StockUpdate['backorders']>>> = {
  NO: 0,
  ALLOW: 1,
  ALLOW_AND_NOTIFY: 2,
};

/** Below zero the shop counts what it has sold and does not have. */
export const toOnHand = (quantity: number): number => Math.max(0, quantity);
export const toBackorders = (quantity: number): number => Math.max(0, -quantity);
