import { byKey, NEVER_CHANGED } from '../../../connectors/reads/read.ts';
import type { OpenMageApi } from './api.ts';

/** Creates the shop's reads by key. A shop limits no batch; 200 SKUs keep a response near 30 kB, since XML is parsed on the main thread. */
export const createReads = (api: OpenMageApi) => ({
  stock: byKey(api.stockBySkus, { batchSize: 200, policy: 'stock' }),
  catalogue: byKey(api.catalogueBySkus, {
    batchSize: 200,
    // SKUs with commas take two more.
    requestsPerBatch: 3,
    policy: 'catalogue',
    scope: NEVER_CHANGED,
  }),
});

export type OpenMageReads = ReturnType<typeof createReads>;
