import type { CallOptions } from '../../../connectors/middleware/chain.ts';
import type { CreateReader } from '../../../connectors/provider.ts';
import { onlyOf } from '../../../connectors/reads/batcher.ts';
import type { Unusable } from '../../../connectors/reads/items.ts';
import type { Reader } from '../../../connectors/reads/reader.ts';
import type { Tag } from '../../../connectors/reads/tag.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import {
  type ApiCompany,
  type ApiContact,
  type ApiDeal,
  type ApiLineItem,
  type ApiLink,
  type HubSpotApi,
  type ListQuery,
  MAX_ASSOCIATIONS,
  MAX_BATCH,
  type ObjectType,
} from './api.ts';
import type { HubSpotOperation, RecordType } from './endpoints.ts';
import type { LifetimeName } from './limits.ts';
import { tags } from './tags.ts';

/** A page of a list: what it lists, and which page. */
export type ListPage = {
  readonly query: ListQuery;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

/** The key of a list's page, for readers. */
export const pageKey = (page: ListPage): string => JSON.stringify(page);

/** Readers for HubSpot, shared by all requests: how much one call carries, and the tags of each key. */
export const createReaders = (createReader: CreateReader<HubSpotOperation, LifetimeName>, api: HubSpotApi) => {
  const { endpoints } = api;
  const objectsOf = <Value>(
    type: ObjectType,
    lifetime: LifetimeName,
    tagsOf?: (id: string) => readonly Tag[],
  ): Reader<Value> =>
    createReader<Value>({
      type: lifetime,
      lifetime,
      operation: endpoints.batchRead(type).operation,
      maxBatch: MAX_BATCH,
      ask: (ids, call) => api.byIds(type, ids, call) as Promise<Map<string, Value | Error>>,
      tagsOf,
    });

  const linksOf = (from: ObjectType, to: ObjectType): Reader<readonly (ApiLink | Unusable)[]> =>
    createReader<readonly (ApiLink | Unusable)[]>({
      type: `links ${from} ${to}`,
      lifetime: 'links',
      operation: endpoints.associations(from, to).operation,
      maxBatch: MAX_ASSOCIATIONS,
      ask: (ids, call) => api.links(from, to, ids, call),
    });

  const listOf = <Item>(
    type: string,
    object: RecordType,
    tag: Tag,
    ask: (query: ListQuery, page: ListPage['page'], call: CallOptions) => Promise<ProviderPage<Item | Unusable>>,
  ): Reader<ProviderPage<Item | Unusable>> =>
    createReader<ProviderPage<Item | Unusable>>({
      type,
      lifetime: 'lists',
      operation: endpoints.list(object).operation,
      maxBatch: 1,
      ask: async ([key = ''], call) => {
        const { query, page } = JSON.parse(key) as ListPage;
        return onlyOf(key, await ask(query, { token: page.token, limit: page.limit }, call));
      },
      tagsOf: () => [tag],
    });

  return {
    contact: objectsOf<ApiContact>('contacts', 'contacts', (id) => [tags.contact(id)]),
    contactByEmail: createReader<ApiContact>({
      type: 'contactsByEmail',
      lifetime: 'contacts',
      operation: endpoints.batchRead('contacts').operation,
      maxBatch: MAX_BATCH,
      ask: api.contactsByEmails,
      tagsOf: (email) => [tags.contactByEmail(email)],
      // Who gets another address is no longer behind the old one.
      tagsOfValue: ({ id }) => [tags.contact(id)],
    }),
    company: objectsOf<ApiCompany>('companies', 'companies'),
    deal: objectsOf<ApiDeal>('deals', 'deals', (id) => [tags.deal(id)]),
    lineItem: objectsOf<ApiLineItem>('line_items', 'lineItems'),
    companiesOfContact: linksOf('contacts', 'companies'),
    dealsOfContact: linksOf('contacts', 'deals'),
    companiesOfDeal: linksOf('deals', 'companies'),
    contactsOfDeal: linksOf('deals', 'contacts'),
    lineItemsOfDeal: linksOf('deals', 'line_items'),
    contactPages: listOf<ApiContact>('contactLists', 'contacts', tags.contactLists, api.contacts),
    dealPages: listOf<ApiDeal>('dealLists', 'deals', tags.dealLists, api.deals),
  };
};

export type Readers = ReturnType<typeof createReaders>;
