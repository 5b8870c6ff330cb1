import { z } from 'zod';
import { pageThrough, readCursor, writeCursor } from '../connection.ts';
import { badInput } from '../errors.ts';
import { Email, readInput, readPageSize, text } from '../inputs.ts';
import type { CustomerResolvers, DealResolvers, QueryResolvers, Resolvers } from './generated.ts';
import {
  DEAL_STATUS_PROPERTIES,
  primaryOf,
  toDealStatus,
  toExternalIds,
  toLifecycleStage,
  toMoney,
} from './mapping.ts';
import { LifecycleStage, mutations, RecordId } from './mutations.ts';
import type { Filter } from './upstream.ts';

const searchText = text(200)
  .transform((words) => words || undefined)
  .nullish();

const CustomerFilter = z.object({ lifecycleStage: LifecycleStage.nullish(), text: searchText });
const DealFilter = z.object({
  stage: text(200).nullish(),
  status: z.custom<keyof typeof DEAL_STATUS_PROPERTIES>().nullish(),
  text: searchText,
});

const toFilters = (properties: Readonly<Record<string, string | null | undefined>>): Filter[] =>
  Object.entries(properties).flatMap(([propertyName, value]) =>
    value ? [{ propertyName, operator: 'EQ' as const, value }] : [],
  );

const isFound = <T>(found: T | Error | null): found is T => found !== null && !(found instanceof Error);

/** What loaded, in order; records that are gone are left out, and any failure is the failure of all. */
const found = <T>(results: readonly (T | Error | null)[]): T[] => {
  const failure = results.find((result) => result instanceof Error);
  if (failure) throw failure;
  return results.filter(isFound);
};

const Query: QueryResolvers = {
  customer: (_, { id, email }, { loaders }) => {
    if (typeof id === 'string' && typeof email !== 'string') {
      return loaders.contact.load(readInput(RecordId, id, 'id'));
    }
    if (typeof email === 'string' && typeof id !== 'string') {
      return loaders.contactByEmail.load(readInput(Email, email, 'email'));
    }
    throw badInput('id', 'give either id or email');
  },
  customers: (_, { first, after, filter }, { loaders }) => {
    const { lifecycleStage, text } = readInput(CustomerFilter, filter ?? {}, 'filter');
    const query = { filters: toFilters({ lifecyclestage: lifecycleStage }), text: text ?? undefined };
    const paged = { upstream: 'crm', list: 'customers', query, first: readPageSize(first), after };
    return pageThrough(paged, (page) => loaders.contactPages.load({ query, page }));
  },
  company: (_, { id }, { loaders }) => loaders.company.load(readInput(RecordId, id, 'id')),
  deal: (_, { id }, { loaders }) => loaders.deal.load(readInput(RecordId, id, 'id')),
  deals: (_, { first, after, filter }, { loaders }) => {
    const { stage, status, text } = readInput(DealFilter, filter ?? {}, 'filter');
    const filters = toFilters({ dealstage: stage, ...(status && DEAL_STATUS_PROPERTIES[status]) });
    const query = { filters, text: text ?? undefined };
    const paged = { upstream: 'crm', list: 'deals', query, first: readPageSize(first), after };
    return pageThrough(paged, (page) => loaders.dealPages.load({ query, page }));
  },
};

const Customer: CustomerResolvers = {
  __resolveReference: (reference, { loaders }) => {
    if ('id' in reference) return loaders.contact.load(reference.id);
    return reference.email ? loaders.contactByEmail.load(reference.email.toLowerCase()) : null;
  },
  lifecycleStage: ({ lifecycleStage }) => toLifecycleStage(lifecycleStage),
  company: async ({ id }, _, { loaders }) => {
    const companyId = primaryOf((await loaders.companiesOfContact.load(id)) ?? []);
    return companyId ? loaders.company.load(companyId) : null;
  },
  deals: async ({ id }, { first, after }, { loaders }) => {
    const size = readPageSize(first);
    const before = after ? readCursor(RecordId, after) : undefined;
    const links = (await loaders.dealsOfContact.load(id)) ?? [];
    // Ids grow with time, so the highest is the newest.
    const ids = links
      .map((link) => BigInt(link.id))
      .sort((a, b) => (a < b ? 1 : -1))
      .filter((dealId) => before === undefined || dealId < BigInt(before));
    const page = ids.slice(0, size).map(String);
    const deals = found(await loaders.deal.loadMany(page));
    const edges = deals.map((node) => ({ cursor: writeCursor(node.id), node }));
    // The page ends where its ids end, even where the last deals of it have been deleted.
    const last = page.at(-1);
    return { edges, pageInfo: { hasNextPage: ids.length > size, endCursor: last ? writeCursor(last) : null } };
  },
  externalIds: toExternalIds,
};

const Deal: DealResolvers = {
  __resolveReference: ({ id }, { loaders }) => loaders.deal.load(id),
  status: toDealStatus,
  amount: ({ amount }) => toMoney(amount),
  company: async ({ id }, _, { loaders }) => {
    const companyId = primaryOf((await loaders.companiesOfDeal.load(id)) ?? []);
    return companyId ? loaders.company.load(companyId) : null;
  },
  customers: async ({ id }, _, { loaders }) => {
    const links = (await loaders.contactsOfDeal.load(id)) ?? [];
    return found(await loaders.contact.loadMany(links.map((link) => link.id)));
  },
  lineItems: async ({ id }, _, { loaders }) => {
    const links = (await loaders.lineItemsOfDeal.load(id)) ?? [];
    return found(await loaders.lineItem.loadMany(links.map((link) => link.id)));
  },
  externalIds: toExternalIds,
};

export const resolvers: Resolvers = {
  Query,
  Mutation: mutations,
  Customer,
  Deal,
  Company: {
    __resolveReference: ({ id }, { loaders }) => loaders.company.load(id),
    externalIds: toExternalIds,
  },
  LineItem: {
    unitPrice: ({ unitPrice }) => toMoney(unitPrice),
    amount: ({ amount }) => toMoney(amount),
    product: ({ sku, name }) => (sku === null ? null : { sku, name }),
  },
};
