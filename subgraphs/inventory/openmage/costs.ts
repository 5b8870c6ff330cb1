import { defineCosts } from '../../kit/costs.ts';
import { openmage } from './definition.ts';
import type { OpenMageOperation } from './operations.ts';

const LIST: OpenMageOperation = 'catalogInventoryStockItemList';
const UPDATE: OpenMageOperation = 'catalogInventoryStockItemUpdate';

/** What the inventory subgraph's fields cost at the shop. */
export const costs = defineCosts(openmage, {
  fields: {
    'Query.product': { reads: { stock: 1 } },
    'Query.products': ({ args: { skus } }) => ({ reads: { stock: Array.isArray(skus) ? skus.length : 1 } }),
    'Subscription.stockChanged': { reads: { stock: 1 } },
    'Product.name': { reads: { catalogue: 1 } },
    // A product that this subgraph has returned has its stock.
    'Product.stock': ({ parent }) => (parent ? {} : { reads: { stock: 1 } }),
    // The product is looked up by two requests or three, and its stock is read afterwards, up to four times if that is unclear.
    'Mutation.setStock': { requests: { [LIST]: { atLeast: 2, expected: 3, atMost: 7 }, [UPDATE]: 1 } },
  },
});
