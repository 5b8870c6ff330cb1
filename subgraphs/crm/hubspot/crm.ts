import { type InvalidItem, isInvalidItem } from '../../../connectors/reads/items.ts';
import { type ProviderPage, pageThrough } from '../../kit/connection.ts';
import type { Loader } from '../../kit/loader.ts';
import type { Crm } from '../model.ts';
import type { Filter } from './api.ts';
import { type Associations, loadAssociated, pageOfNewest, primaryOf, readPosition } from './associations.ts';
import type { HubSpotSession } from './definition.ts';
import { API_LIFECYCLE_STAGE, DEAL_STATUS_PROPERTIES, toCompany, toCustomer, toDeal } from './mapping.ts';
import { createCustomer, updateCustomer, updateDeal } from './writes.ts';

/** Implements the crm subgraph's model over HubSpot. */
export const createCrm = (session: HubSpotSession): Crm => {
  const { loaders } = session;
  const customers = mapped(loaders.contact, toCustomer);
  const customersByEmail = mapped(loaders.contactByEmail, toCustomer);
  const companies = mapped(loaders.company, toCompany);
  const deals = mapped(loaders.deal, toDeal);
  const customerPages = mapped(loaders.contactPages, mapPage(toCustomer));
  const dealPages = mapped(loaders.dealPages, mapPage(toDeal));
  const companyOf = async (associations: Loader<string, Associations>, id: string) => {
    const companyId = primaryOf((await associations.load(id)) ?? []);
    return companyId ? companies.load(companyId) : null;
  };
  return {
    customer: customers.load,
    customerByEmail: customersByEmail.load,
    customers: ({ lifecycleStage, text }, page) => {
      const filters = toFilters({ lifecyclestage: lifecycleStage && API_LIFECYCLE_STAGE[lifecycleStage] });
      const query = { filters, text: text ?? undefined };
      const paged = { subgraph: 'crm', list: 'customers', query, ...page };
      return pageThrough(paged, (providerPage) => customerPages.load({ query, page: providerPage }));
    },
    company: companies.load,
    deal: deals.load,
    deals: ({ stage, status, text }, page) => {
      const filters = toFilters({ dealstage: stage, ...(status && DEAL_STATUS_PROPERTIES[status]) });
      const query = { filters, text: text ?? undefined };
      const paged = { subgraph: 'crm', list: 'deals', query, ...page };
      return pageThrough(paged, (providerPage) => dealPages.load({ query, page: providerPage }));
    },
    companyOfCustomer: (id) => companyOf(loaders.companiesOfContact, id),
    dealsOfCustomer: async (id, page) => {
      const before = readPosition(page.after);
      const associations = (await loaders.dealsOfContact.load(id)) ?? [];
      return pageOfNewest(associations, deals.loadMany, page, before);
    },
    companyOfDeal: (id) => companyOf(loaders.companiesOfDeal, id),
    customersOfDeal: async (id) => loadAssociated((await loaders.contactsOfDeal.load(id)) ?? [], customers.loadMany),
    lineItemsOfDeal: async (id) =>
      loadAssociated((await loaders.lineItemsOfDeal.load(id)) ?? [], loaders.lineItem.loadMany),
    createCustomer: async (customer) => toCustomer(await createCustomer(customer, session)),
    updateCustomer: async (id, update) => toCustomer(await updateCustomer(id, update, session)),
    updateDeal: async (id, update) => toDeal(await updateDeal(id, update, session)),
  };
};

/** Wraps a loader to map its values to the model. */
const mapped = <Key, Value, Mapped>(loader: Loader<Key, Value>, map: (value: Value) => Mapped) => ({
  load: async (key: Key): Promise<Mapped | null> => {
    const value = await loader.load(key);
    return value === null ? null : map(value);
  },
  loadMany: async (keys: readonly Key[]): Promise<(Mapped | Error | null)[]> => {
    const values = await loader.loadMany(keys);
    return values.map((value) => {
      if (value === null) return null;
      return value instanceof Error ? value : map(value);
    });
  },
});

const mapPage =
  <Item, Mapped>(map: (item: Item) => Mapped) =>
  ({ items, next }: ProviderPage<Item | InvalidItem>): ProviderPage<Mapped | InvalidItem> => ({
    items: items.map((item) => (isInvalidItem(item) ? item : map(item))),
    next,
  });

const toFilters = (properties: Readonly<Record<string, string | null | undefined>>): Filter[] =>
  Object.entries(properties).flatMap(([propertyName, value]) =>
    value ? [{ propertyName, operator: 'EQ' as const, value }] : [],
  );
