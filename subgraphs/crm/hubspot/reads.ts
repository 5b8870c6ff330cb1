import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { CreateReader } from '../../../connectors/provider.ts';
import { singleResult } from '../../../connectors/reads/batcher.ts';
import type { Unusable } from '../../../connectors/reads/items.ts';
import type { Reader } from '../../../connectors/reads/reader.ts';
import type { Tag } from '../../../connectors/reads/tag.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import {
  type ApiAssociation,
  type ApiCompany,
  type ApiContact,
  type ApiDeal,
  type ApiLineItem,
  type HubSpotApi,
  type ListQuery,
  MAX_ASSOCIATIONS,
  MAX_BATCH,
  type ObjectType,
} from './api.ts';
import type { HubSpotOperation, RecordType } from './endpoints.ts';
import type { CachePolicyName } from './limits.ts';
import { tags } from './tags.ts';

/** A page of a list: what it lists, and which page. */
export type ListPage = {
  readonly query: ListQuery;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

/** The key of a list's page, for readers. */
export const pageKey = (page: ListPage): string => JSON.stringify(page);

/** Readers for HubSpot, shared by all requests: how much one call carries, and the tags of each key. */
export const createReaders = (createReader: CreateReader<HubSpotOperation, CachePolicyName>, api: HubSpotApi) => {
  const { endpoints } = api;
  const objectsOf = <Value>(
    type: ObjectType,
    cachePolicy: CachePolicyName,
    tagsOf?: (id: string) => readonly Tag[],
  ): Reader<Value> =>
    createReader<Value>({
      type: cachePolicy,
      cachePolicy,
      operation: endpoints.batchRead(type).operation,
      maxBatch: MAX_BATCH,
      fetch: (ids, call) => api.byIds(type, ids, call) as Promise<Map<string, Value | Error>>,
      tagsOf,
    });

  const associationsOf = (from: ObjectType, to: ObjectType): Reader<readonly (ApiAssociation | Unusable)[]> =>
    createReader<readonly (ApiAssociation | Unusable)[]>({
      type: `associations ${from} ${to}`,
      cachePolicy: 'associations',
      operation: endpoints.associations(from, to).operation,
      maxBatch: MAX_ASSOCIATIONS,
      fetch: (ids, call) => api.associations(from, to, ids, call),
    });

  const listOf = <Item>(
    type: string,
    object: RecordType,
    tag: Tag,
    fetch: (query: ListQuery, page: ListPage['page'], call: RequestOptions) => Promise<ProviderPage<Item | Unusable>>,
  ): Reader<ProviderPage<Item | Unusable>> =>
    createReader<ProviderPage<Item | Unusable>>({
      type,
      cachePolicy: 'lists',
      operation: endpoints.list(object).operation,
      maxBatch: 1,
      fetch: async ([key = ''], call) => {
        const { query, page } = JSON.parse(key) as ListPage;
        return singleResult(key, await fetch(query, { token: page.token, limit: page.limit }, call));
      },
      tagsOf: () => [tag],
    });

  return {
    contact: objectsOf<ApiContact>('contacts', 'contacts', (id) => [tags.contact(id)]),
    contactByEmail: createReader<ApiContact>({
      type: 'contactsByEmail',
      cachePolicy: 'contacts',
      operation: endpoints.batchRead('contacts').operation,
      maxBatch: MAX_BATCH,
      fetch: api.contactsByEmails,
      tagsOf: (email) => [tags.contactByEmail(email)],
      // Who gets another address is no longer behind the old one.
      tagsOfValue: ({ id }) => [tags.contact(id)],
    }),
    company: objectsOf<ApiCompany>('companies', 'companies'),
    deal: objectsOf<ApiDeal>('deals', 'deals', (id) => [tags.deal(id)]),
    lineItem: objectsOf<ApiLineItem>('line_items', 'lineItems'),
    companiesOfContact: associationsOf('contacts', 'companies'),
    dealsOfContact: associationsOf('contacts', 'deals'),
    companiesOfDeal: associationsOf('deals', 'companies'),
    contactsOfDeal: associationsOf('deals', 'contacts'),
    lineItemsOfDeal: associationsOf('deals', 'line_items'),
    contactPages: listOf<ApiContact>('contactLists', 'contacts', tags.contactLists, api.contacts),
    dealPages: listOf<ApiDeal>('dealLists', 'deals', tags.dealLists, api.deals),
  };
};

export type Readers = ReturnType<typeof createReaders>;
