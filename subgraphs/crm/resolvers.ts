import { z } from 'zod';
import { toAsciiLowerCase } from '../kit/ascii.ts';
import { badInput } from '../kit/errors.ts';
import { Email, readInput, readPageSize, text } from '../kit/inputs.ts';
import { type Money, moneyFromDecimal } from '../kit/money.ts';
import type { CustomerResolvers, DealResolvers, DealStatus, QueryResolvers, Resolvers } from './generated.ts';
import type { Amount, IdSchema } from './model.ts';
import { createMutations, LifecycleStage } from './mutations.ts';
import { createSubscriptions } from './subscriptions.ts';

const searchText = text(200)
  .transform((words) => words || undefined)
  .nullish();

const CustomerFilter = z.object({ lifecycleStage: LifecycleStage.nullish(), text: searchText });
const DealFilter = z.object({
  stage: text(200).nullish(),
  status: z.custom<DealStatus>().nullish(),
  text: searchText,
});

/** Maps an amount; null if the CRM has none. */
const toMoney = (amount: Amount | null): Money | null =>
  amount && (moneyFromDecimal(amount.amount, amount.currency) ?? null);

const createQuery = (Id: IdSchema): QueryResolvers => ({
  customer: (_, { id, email }, { crm }) => {
    if (typeof id === 'string' && typeof email !== 'string') return crm.customer(readInput(Id, id, 'id'));
    if (typeof email === 'string' && typeof id !== 'string') {
      return crm.customerByEmail(readInput(Email, email, 'email'));
    }
    throw badInput('id', 'give either id or email');
  },
  customers: (_, { first, after, filter }, { crm }) => {
    const wanted = readInput(CustomerFilter, filter ?? {}, 'filter');
    return crm.customers(wanted, { first: readPageSize(first), after });
  },
  company: (_, { id }, { crm }) => crm.company(readInput(Id, id, 'id')),
  deal: (_, { id }, { crm }) => crm.deal(readInput(Id, id, 'id')),
  deals: (_, { first, after, filter }, { crm }) => {
    const wanted = readInput(DealFilter, filter ?? {}, 'filter');
    return crm.deals(wanted, { first: readPageSize(first), after });
  },
});

const Customer: CustomerResolvers = {
  __resolveReference: (reference, { crm }) => {
    if ('id' in reference) return crm.customer(reference.id);
    return reference.email ? crm.customerByEmail(toAsciiLowerCase(reference.email)) : null;
  },
  company: ({ id }, _, { crm }) => crm.companyOfCustomer(id),
  deals: ({ id }, { first, after }, { crm }) => crm.dealsOfCustomer(id, { first: readPageSize(first), after }),
};

const Deal: DealResolvers = {
  __resolveReference: ({ id }, { crm }) => crm.deal(id),
  amount: ({ amount }) => (amount instanceof Error ? amount : toMoney(amount)),
  company: ({ id }, _, { crm }) => crm.companyOfDeal(id),
  customers: ({ id }, _, { crm }) => crm.customersOfDeal(id),
  lineItems: ({ id }, _, { crm }) => crm.lineItemsOfDeal(id),
};

/** Creates the resolvers. `Id` is the schema of the CRM's ids. */
export const createResolvers = (Id: IdSchema): Resolvers => ({
  Query: createQuery(Id),
  Mutation: createMutations(Id),
  Subscription: createSubscriptions(Id),
  Customer,
  Deal,
  Company: { __resolveReference: ({ id }, { crm }) => crm.company(id) },
  LineItem: {
    unitPrice: ({ unitPrice }) => toMoney(unitPrice),
    amount: ({ amount }) => toMoney(amount),
    product: ({ sku, name }) => (sku === null ? null : { sku, name }),
  },
});
