import type { BackorderPolicy } from './generated.ts';

/*
 * What the inventory subgraph knows of a shop, whichever it is.
 */

/** The stock of a product. */
export type Stock = {
  readonly sku: string;
  /** In the unit that the product is sold in. Below zero where more was sold than there is. */
  readonly quantity: number;
  readonly isInStock: boolean;
};

/** A product; after a write with the stock that was read back, or the error in its place. */
export type Product = { readonly sku: string; readonly stock?: Stock | Error };

/** What to set of a product's stock. What is left out stays. */
export type StockUpdate = {
  readonly quantity?: number | undefined;
  readonly isInStock?: boolean | undefined;
  readonly backorderPolicy?: BackorderPolicy | undefined;
};

/** A shop, for one client request. Everything throws UpstreamError. */
export type Inventory = {
  /** The stock of a SKU; null where the shop does not have it. */
  readonly stock: (sku: string) => Promise<Stock | null>;
  /** In the SKUs' order; an Error where one failed. */
  readonly stocks: (skus: readonly string[]) => Promise<(Stock | null | Error)[]>;
  /** The name of a SKU; null where the shop does not tell. */
  readonly name: (sku: string) => Promise<string | null>;
  /**
   * Sets the stock of the product with exactly this SKU. Until the shop has taken the update, an error means that nothing was
   * written. From then on no failure may: stock that cannot be read back is an Error in the product.
   */
  readonly setStock: (sku: string, update: StockUpdate) => Promise<Product>;
};

/** The context of the resolvers. */
export type Context = { readonly inventory: Inventory };
