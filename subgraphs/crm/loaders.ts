import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Provider } from '../../connectors/provider.ts';
import { createLoader, withClearAll } from '../kit/loader.ts';
import type { HubSpotApi } from './hubspot/api.ts';
import { pageKey, type Readers } from './hubspot/reads.ts';

/** What the crm resolvers are given: one for each client request. */
export type Context = {
  readonly api: HubSpotApi;
  readonly call: RequestOptions;
  readonly loaders: Loaders;
  readonly invalidate: Provider['invalidate'];
};

export type Loaders = ReturnType<typeof createLoaders>;

/** One client request's view of what is read of HubSpot. */
export const createLoaders = (readers: Readers, call: RequestOptions) =>
  withClearAll({
    contact: createLoader(readers.contact, call),
    contactByEmail: createLoader(readers.contactByEmail, call),
    company: createLoader(readers.company, call),
    deal: createLoader(readers.deal, call),
    lineItem: createLoader(readers.lineItem, call),
    companiesOfContact: createLoader(readers.companiesOfContact, call),
    dealsOfContact: createLoader(readers.dealsOfContact, call),
    companiesOfDeal: createLoader(readers.companiesOfDeal, call),
    contactsOfDeal: createLoader(readers.contactsOfDeal, call),
    lineItemsOfDeal: createLoader(readers.lineItemsOfDeal, call),
    contactPages: createLoader(readers.contactPages, call, pageKey),
    dealPages: createLoader(readers.dealPages, call, pageKey),
  });
