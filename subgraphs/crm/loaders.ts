import DataLoader from 'dataloader';
import { askInBatches } from '../../connectors/batch.ts';
import type { CallOptions } from '../../connectors/chain.ts';
import { forgettable } from '../forgettable.ts';
import {
  type ApiCompany,
  type ApiContact,
  type ApiDeal,
  type ApiLineItem,
  type ApiLink,
  type HubSpotApi,
  MAX_ASSOCIATIONS,
  MAX_BATCH,
  type ObjectType,
} from './upstream.ts';

/** What the crm resolvers are given: one for each client request. */
export type Context = { readonly api: HubSpotApi; readonly call: CallOptions; readonly loaders: Loaders };

export type Loaders = ReturnType<typeof createLoaders>;

/** What one call to HubSpot may carry, for the life of one client request. */
export const createLoaders = (api: HubSpotApi, call: CallOptions) => {
  const linksOf = (from: ObjectType, to: ObjectType) =>
    new DataLoader<string, readonly ApiLink[]>(async (ids) => {
      const found = await askInBatches(ids, MAX_ASSOCIATIONS, (batch) => api.links(from, to, batch, call));
      // Who is linked to nothing is left out of the answer.
      return found.map((links) => links ?? []);
    });

  return forgettable({
    contact: new DataLoader<string, ApiContact | null>((ids) =>
      askInBatches(ids, MAX_BATCH, (batch) => api.byIds('contacts', batch, call)),
    ),
    contactByEmail: new DataLoader<string, ApiContact | null>((emails) =>
      askInBatches(emails, MAX_BATCH, (batch) => api.contactsByEmails(batch, call)),
    ),
    company: new DataLoader<string, ApiCompany | null>((ids) =>
      askInBatches(ids, MAX_BATCH, (batch) => api.byIds('companies', batch, call)),
    ),
    deal: new DataLoader<string, ApiDeal | null>((ids) =>
      askInBatches(ids, MAX_BATCH, (batch) => api.byIds('deals', batch, call)),
    ),
    lineItem: new DataLoader<string, ApiLineItem | null>((ids) =>
      askInBatches(ids, MAX_BATCH, (batch) => api.byIds('line_items', batch, call)),
    ),
    companiesOfContact: linksOf('contacts', 'companies'),
    dealsOfContact: linksOf('contacts', 'deals'),
    companiesOfDeal: linksOf('deals', 'companies'),
    contactsOfDeal: linksOf('deals', 'contacts'),
    lineItemsOfDeal: linksOf('deals', 'line_items'),
  });
};
