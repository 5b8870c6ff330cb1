/** Operations that every shop offers. The catalogue's are optional. */
export const REQUIRED_OPERATIONS = [
  'login',
  'catalogInventoryStockItemList',
  'catalogInventoryStockItemUpdate',
] as const;

/** The operations that the graph calls. */
export type OpenMageOperation = (typeof REQUIRED_OPERATIONS)[number] | 'catalogProductList';
