import type { BackorderPolicy } from './generated.ts';

/*
 * The inventory subgraph's model of a shop, independent of the provider.
 */

/** The stock of a product. */
export type Stock = {
  readonly sku: string;
  /** In the product's sales unit. Negative if more was sold than is in stock. */
  readonly quantity: number;
  readonly isInStock: boolean;
};

/** A product. After a write, with the stock that was read back, or the error of reading it. */
export type Product = { readonly sku: string; readonly stock?: Stock | Error };

/** Changes of a product's stock. Undefined leaves a field unchanged. */
export type StockUpdate = {
  readonly quantity?: number | undefined;
  readonly isInStock?: boolean | undefined;
  readonly backorderPolicy?: BackorderPolicy | undefined;
};

/** A shop, for one client request. Everything throws UpstreamError. */
export type Inventory = {
  /** The stock of a SKU; null if the shop does not have it. */
  readonly stock: (sku: string) => Promise<Stock | null>;
  /** The stock of several SKUs, in their order; an Error for one that failed. */
  readonly stocks: (skus: readonly string[]) => Promise<(Stock | null | Error)[]>;
  /** The product's name; null if the shop does not offer its catalogue. */
  readonly name: (sku: string) => Promise<string | null>;
  /**
   * Sets the stock of the product with exactly this SKU. Before the shop has accepted the update, an error means that nothing
   * was written. Afterwards, stock that cannot be read back is an Error in the product.
   */
  readonly setStock: (sku: string, update: StockUpdate) => Promise<Product>;
};

/** The message to subscribers: the stock of a product has changed. */
export type StockChanged = { readonly topic: 'stockChanged'; readonly sku: string };

/** The context of the resolvers. */
export type Context = { readonly inventory: Inventory };
