import DataLoader from 'dataloader';
import { askInBatches } from '../../connectors/batch.ts';
import type { CallOptions } from '../../connectors/chain.ts';
import { forgettable } from '../forgettable.ts';
import { type ApiStockItem, MAX_SKUS, type OpenMageApi } from './upstream.ts';

/** What the inventory resolvers are given: one for each client request. */
export type Context = { readonly api: OpenMageApi; readonly call: CallOptions; readonly loaders: Loaders };

export type Loaders = ReturnType<typeof createLoaders>;

/** What one call to the shop may carry, for the life of one client request. */
export const createLoaders = (api: OpenMageApi, call: CallOptions) =>
  forgettable({
    stock: new DataLoader<string, ApiStockItem | null>((skus) =>
      askInBatches(skus, MAX_SKUS, (batch) => api.stockBySkus(batch, call)),
    ),
    catalogueEntry: new DataLoader<string, { readonly name: string } | null>((skus) =>
      askInBatches(skus, MAX_SKUS, (batch) => api.catalogueBySkus(batch, call)),
    ),
  });
