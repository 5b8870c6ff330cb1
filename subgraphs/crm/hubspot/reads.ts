import { MAX_PAGES } from '../../../connectors/reads/paginate.ts';
import { byKey, oneByOne } from '../../../connectors/reads/read.ts';
import type { HubSpotApi } from './api.ts';
import type { ApiContact } from './wire-types.ts';

/** Invalidation scope of a contact read by email address: the address, or the contact's id. */
type ContactByEmailScope = { readonly email: string } | { readonly id: string };

const associations = {
  batchSize: 1_000,
  requestsPerBatch: MAX_PAGES,
  policy: 'associations',
} as const;

/**
 * Creates HubSpot's reads by key. It takes 100 records in a batch read, and 1,000 in one of associations. Companies, line items and
 * associations are not written here, but HubSpot's events report their changes.
 */
export const createReads = (api: HubSpotApi) => ({
  contact: byKey(api.contactsByIds, { batchSize: 100, policy: 'contacts' }),
  contactByEmail: byKey(api.contactsByEmails, {
    batchSize: 100,
    policy: 'contacts',
    scope: (email: string): ContactByEmailScope => ({ email }),
    // A contact whose address changes must no longer be found under the old one.
    scopeOfValue: ({ id }: ApiContact) => ({ id }),
  }),
  company: byKey(api.companiesByIds, { batchSize: 100, policy: 'companies' }),
  deal: byKey(api.dealsByIds, { batchSize: 100, policy: 'deals' }),
  lineItem: byKey(api.lineItemsByIds, { batchSize: 100, policy: 'lineItems' }),
  companiesOfContact: byKey(api.companiesOfContacts, associations),
  dealsOfContact: byKey(api.dealsOfContacts, associations),
  companiesOfDeal: byKey(api.companiesOfDeals, associations),
  contactsOfDeal: byKey(api.contactsOfDeals, associations),
  lineItemsOfDeal: byKey(api.lineItemsOfDeals, associations),
  // Any record may be on any page, so a write invalidates all pages.
  contactPages: oneByOne(api.contactPage, { policy: 'lists' }),
  dealPages: oneByOne(api.dealPage, { policy: 'lists' }),
});

export type HubSpotReads = ReturnType<typeof createReads>;
