import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Provider } from '../../connectors/provider.ts';
import { createLoader, withClearAll } from '../kit/loader.ts';
import type { OpenMageApi } from './openmage/api.ts';
import type { Readers } from './openmage/reads.ts';

/** What the inventory resolvers are given: one for each client request. */
export type Context = {
  readonly api: OpenMageApi;
  readonly call: RequestOptions;
  readonly loaders: Loaders;
  readonly invalidate: Provider['invalidate'];
};

export type Loaders = ReturnType<typeof createLoaders>;

/** One client request's view of what is read of the shop. */
export const createLoaders = (readers: Readers, call: RequestOptions) =>
  withClearAll({
    stock: createLoader(readers.stock, call),
    catalogueEntry: createLoader(readers.catalogueEntry, call),
  });
