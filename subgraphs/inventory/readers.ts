import type { Provider } from '../../connectors/provider.ts';
import { type ApiStockItem, MAX_SKUS, type OpenMageApi } from './upstream.ts';

/** What is read of the shop by SKU, on behalf of all requests. */
export const createReaders = ({ createReader }: Pick<Provider, 'createReader'>, api: OpenMageApi) => ({
  stock: createReader<ApiStockItem>({
    type: 'stock',
    operation: 'catalogInventoryStockItemList',
    maxBatch: MAX_SKUS,
    ask: api.stockBySkus,
  }),
  catalogueEntry: createReader<{ readonly name: string }>({
    type: 'catalogue',
    operation: 'catalogProductList',
    maxBatch: MAX_SKUS,
    ask: api.catalogueBySkus,
  }),
});

export type Readers = ReturnType<typeof createReaders>;
