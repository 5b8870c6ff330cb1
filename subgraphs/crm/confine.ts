import { pageThrough, toConnection } from '../kit/connection.ts';
import { filterOwn, findOwn, type OwnList, refuseWrite } from '../kit/own.ts';
import type { Context, Customer, CustomerFilter, Deal, DealFilter } from './model.ts';

/**
 * Confines the CRM to one customer, by lower-case address: their record, their company and their deals, newest first. A deal
 * does not show who else is buying.
 */
export const confine = ({ crm }: Context, email: string): Context => {
  const own = () => crm.customerByEmail(email);
  const ownDeals: OwnList<Deal> = {
    subgraph: 'crm',
    name: 'own deals',
    load: async (page) => {
      const customer = await own();
      return customer
        ? crm.dealsOfCustomer(customer.id, page)
        : toConnection([], { after: page.after, hasNextPage: false });
    },
  };
  return {
    crm: {
      customer: async (id) => {
        const customer = await own();
        return customer?.id === id ? customer : null;
      },
      customerByEmail: async (address) => (address === email ? own() : null),
      customers: (filter, page) =>
        pageThrough({ subgraph: 'crm', list: 'own customers', query: filter, ...page }, async () => {
          const customer = await own();
          return { items: customer && isCustomerIn(filter, customer) ? [customer] : [], next: undefined };
        }),
      company: async (id) => {
        const customer = await own();
        const company = customer && (await crm.companyOfCustomer(customer.id));
        return company?.id === id ? company : null;
      },
      deal: (id) => findOwn(ownDeals, id),
      deals: (filter, page) => filterOwn(ownDeals, (deal) => isDealIn(filter, deal), page),
      // These are read for customers and deals that came from the functions above.
      companyOfCustomer: crm.companyOfCustomer,
      dealsOfCustomer: crm.dealsOfCustomer,
      companyOfDeal: crm.companyOfDeal,
      lineItemsOfDeal: crm.lineItemsOfDeal,
      customersOfDeal: async () => {
        const customer = await own();
        return customer ? [customer] : [];
      },
      createCustomer: refuseWrite,
      updateCustomer: refuseWrite,
      updateDeal: refuseWrite,
    },
  };
};

const isCustomerIn = ({ lifecycleStage, text }: CustomerFilter, customer: Customer): boolean =>
  (!lifecycleStage || customer.lifecycleStage === lifecycleStage) &&
  hasWords(text, [customer.firstName, customer.lastName, customer.email, customer.phone]);

const isDealIn = ({ stage, status, text }: DealFilter, deal: Deal): boolean =>
  (!stage || deal.stage === stage) && (!status || deal.status === status) && hasWords(text, [deal.name]);

/** Whether every word of a search is part of a value, regardless of case. */
const hasWords = (text: string | null | undefined, values: readonly (string | null | Error)[]): boolean => {
  const searched = values
    .filter((value) => typeof value === 'string')
    .join('\n')
    .toLowerCase();
  return (text ?? '')
    .toLowerCase()
    .split(/\s+/)
    .every((word) => searched.includes(word));
};
