import type { CreateReader } from '../../../connectors/provider.ts';
import { type ApiStockItem, MAX_SKUS, type OpenMageApi, type OpenMageOperation } from './api.ts';
import type { CachePolicyName } from './limits.ts';
import { tags } from './tags.ts';

/** Readers for the shop by SKU, shared by all requests. */
export const createReaders = (createReader: CreateReader<OpenMageOperation, CachePolicyName>, api: OpenMageApi) => ({
  stock: createReader<ApiStockItem>({
    type: 'stock',
    cachePolicy: 'stock',
    operation: 'catalogInventoryStockItemList',
    maxBatch: MAX_SKUS,
    fetch: api.stockBySkus,
    tagsOf: (sku) => [tags.stock(sku)],
  }),
  catalogueEntry: createReader<{ readonly name: string }>({
    type: 'catalogue',
    cachePolicy: 'catalogue',
    operation: 'catalogProductList',
    maxBatch: MAX_SKUS,
    fetch: api.catalogueBySkus,
  }),
});

export type Readers = ReturnType<typeof createReaders>;
