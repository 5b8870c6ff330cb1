import { z } from 'zod';
import { isUnusable, toItemError, type Unusable } from '../../connectors/reads/items.ts';
import { toAsciiLowerCase } from '../kit/ascii.ts';
import { pageThrough, readCursor, toConnection, writeCursor } from '../kit/connection.ts';
import { badInput } from '../kit/errors.ts';
import { Email, readInput, readPageSize, text } from '../kit/inputs.ts';
import { presentOf } from '../kit/present.ts';
import type { CustomerResolvers, DealResolvers, QueryResolvers, Resolvers } from './generated.ts';
import type { ApiAssociation, Filter } from './hubspot/api.ts';
import {
  DEAL_STATUS_PROPERTIES,
  primaryOf,
  toDealStatus,
  toExternalIds,
  toLifecycleStage,
  toMoney,
} from './hubspot/mapping.ts';
import { LifecycleStage, mutations, RecordId } from './mutations.ts';

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

type Load<Item> = (ids: readonly string[]) => Promise<(Item | Error | null)[]>;

/** The linked records, in the order of the links. A link that cannot be read is an Error behind them. */
const associatedBy = async <Item>(
  associations: readonly (ApiAssociation | Unusable)[],
  load: Load<Item>,
): Promise<(Item | Error)[]> => {
  const ids = associations.flatMap((link) => (isUnusable(link) ? [] : [link.id]));
  const unusable = associations.filter(isUnusable).map((link) => toItemError('crm', link));
  return [...presentOf(await load(ids)), ...unusable];
};

/** Comes after the last of a customer's deals: where links that cannot be read stand. */
const LAST_POSITION = '0';

/** A field of a record that was just written; throws why it could not be read. */
const known = <Value>(value: Value | Error): Value => {
  if (value instanceof Error) throw value;
  return value;
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
    return reference.email ? loaders.contactByEmail.load(toAsciiLowerCase(reference.email)) : null;
  },
  lifecycleStage: ({ lifecycleStage }) => toLifecycleStage(known(lifecycleStage)),
  company: async ({ id }, _, { loaders }) => {
    const companyId = primaryOf((await loaders.companiesOfContact.load(id)) ?? []);
    return companyId ? loaders.company.load(companyId) : null;
  },
  deals: async ({ id }, { first, after }, { loaders }) => {
    const size = readPageSize(first);
    const before = after ? readCursor(RecordId, after) : undefined;
    const associations = (await loaders.dealsOfContact.load(id)) ?? [];
    // Ids grow with time, so the highest is the newest.
    const ids = associations
      .flatMap((link) => (isUnusable(link) ? [] : [BigInt(link.id)]))
      .sort((a, b) => (a < b ? 1 : -1))
      .filter((dealId) => before === undefined || dealId < BigInt(before))
      .map(String);
    const unusable = before === LAST_POSITION ? [] : associations.filter(isUnusable);
    const page = ids.slice(0, size);
    const deals = await loaders.deal.loadMany(page);
    // Throws where the provider failed as a whole.
    presentOf(deals);
    const edges = [
      ...deals.flatMap((node, index) => (node === null ? [] : [{ cursor: writeCursor(page[index]), node }])),
      ...unusable
        .slice(0, size - page.length)
        .map((link) => ({ cursor: writeCursor(LAST_POSITION), node: toItemError('crm', link) })),
    ];
    // The page ends where its ids end, even where the last deals of it have been deleted.
    const last = page.length < size && unusable.length > 0 ? LAST_POSITION : page.at(-1);
    const hasNextPage = ids.length + unusable.length > size;
    return toConnection(edges, { after, hasNextPage, endCursor: last ? writeCursor(last) : null });
  },
  externalIds: toExternalIds,
};

const Deal: DealResolvers = {
  __resolveReference: ({ id }, { loaders }) => loaders.deal.load(id),
  status: ({ isClosed, isWon }) => toDealStatus({ isClosed: known(isClosed), isWon: known(isWon) }),
  amount: ({ amount }) => toMoney(known(amount)),
  company: async ({ id }, _, { loaders }) => {
    const companyId = primaryOf((await loaders.companiesOfDeal.load(id)) ?? []);
    return companyId ? loaders.company.load(companyId) : null;
  },
  customers: async ({ id }, _, { loaders }) => {
    const associations = (await loaders.contactsOfDeal.load(id)) ?? [];
    return associatedBy(associations, loaders.contact.loadMany);
  },
  lineItems: async ({ id }, _, { loaders }) => {
    const associations = (await loaders.lineItemsOfDeal.load(id)) ?? [];
    return associatedBy(associations, loaders.lineItem.loadMany);
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
