import { MAX_PAGES } from '../../../connectors/reads/paginate.ts';
import { type Amount, defineCosts, type FieldInfo } from '../../kit/costs.ts';
import type { ListQuery } from './api.ts';
import { hubspot } from './definition.ts';
import { createEndpoints } from './endpoints.ts';

/** A record that may be missing. */
const ONE_OR_NONE: Amount = { expected: 1, atMost: 1 };

/** The pages of a list: one, unless HubSpot returns fewer records than requested. */
const pages = ({ args: { filter } }: FieldInfo) => {
  const isSearch = Object.values(Object(filter)).some((value) => value !== null && value !== undefined && value !== '');
  const query: ListQuery = { filters: [], ...(isSearch && { text: 'any' }) };
  return { expected: 1, atMost: MAX_PAGES, example: { query } };
};

/** The records of a list that states no length. One deal may have many, but not each of a page of deals. */
const associated = ({ length, objects }: FieldInfo) => ({
  expected: objects.expected * length.expected,
  atMost: 100 * objects.atMost + 1_000,
  isShared: true,
});

/** A customer's own deals, of which pages of a hundred are read until enough are found. */
const ownDeals = {
  reads: { contactByEmail: 1, dealsOfContact: 1, deal: { expected: 10, atMost: 100 * MAX_PAGES } },
} as const;

/** What the crm subgraph's fields cost at HubSpot. Operations contain the configured version of its API. */
export const costs = ({ API_VERSION }: { readonly API_VERSION: string }) => {
  const endpoints = createEndpoints(API_VERSION);
  /** What a write may read afterwards: its record, if its response lacks something or its outcome is unknown. */
  const readAgain = (type: 'contacts' | 'deals', expected: number) => ({
    [endpoints.batchRead(type).operation]: { expected, atMost: 2 },
  });
  return defineCosts(hubspot, {
    fields: {
      'Query.customer': ({ args: { id } }) => ({ reads: id ? { contact: 1 } : { contactByEmail: 1 } }),
      'Query.customers': (field) => ({ reads: { contactPages: pages(field) } }),
      'Query.company': { reads: { company: 1 } },
      'Query.deal': { reads: { deal: 1 } },
      'Query.deals': (field) => ({ reads: { dealPages: pages(field) } }),
      // The event's record is read, and for some filters the customers of a deal.
      'Subscription.customerChanged': { reads: { contact: 1 } },
      'Subscription.dealChanged': {
        reads: { deal: 1, contactsOfDeal: ONE_OR_NONE, contact: { expected: 1, atMost: 1_000 } },
      },
      'Customer.__resolveReference': ({ keys }) => ({ reads: keys.has('id') ? { contact: 1 } : { contactByEmail: 1 } }),
      'Customer.company': { reads: { companiesOfContact: 1, company: ONE_OR_NONE } },
      'Customer.deals': ({ length }) => ({ reads: { dealsOfContact: 1, deal: length } }),
      'Company.__resolveReference': { reads: { company: 1 } },
      'Deal.__resolveReference': { reads: { deal: 1 } },
      'Deal.company': { reads: { companiesOfDeal: 1, company: ONE_OR_NONE } },
      'Deal.customers': (field) => ({ reads: { contactsOfDeal: 1, contact: associated(field) } }),
      'Deal.lineItems': (field) => ({ reads: { lineItemsOfDeal: 1, lineItem: associated(field) } }),
      'Mutation.createCustomer': {
        requests: { [endpoints.create('contacts').operation]: 1, ...readAgain('contacts', 0) },
      },
      'Mutation.updateCustomer': {
        requests: { [endpoints.update('contacts', '').operation]: 1, ...readAgain('contacts', 0) },
      },
      'Mutation.updateDeal': { requests: { [endpoints.update('deals', '').operation]: 1, ...readAgain('deals', 1) } },
    },
    ownFields: {
      // Another customer's address is not looked up.
      'Query.customer': ({ args: { id } }) => ({ reads: { contactByEmail: id ? 1 : ONE_OR_NONE } }),
      'Query.customers': { reads: { contactByEmail: 1 } },
      'Query.company': { reads: { contactByEmail: 1, companiesOfContact: 1, company: ONE_OR_NONE } },
      'Query.deal': ownDeals,
      'Query.deals': ownDeals,
      'Subscription.customerChanged': { reads: { contactByEmail: 1 } },
      'Subscription.dealChanged': ownDeals,
      'Customer.__resolveReference': { reads: { contactByEmail: 1 } },
      'Company.__resolveReference': { reads: { contactByEmail: 1, companiesOfContact: 1, company: ONE_OR_NONE } },
      'Deal.__resolveReference': ownDeals,
      'Deal.customers': { reads: { contactByEmail: 1 } },
    },
  });
};
