import type { FeedEvent } from '../../events/feed.ts';
import { Email, readInput } from '../kit/inputs.ts';
import { subscribeTo } from '../kit/subscribe-to.ts';
import type { SubscriptionResolvers } from './generated.ts';
import type { Context, Customer, CustomerChanged, DealChanged, IdSchema } from './model.ts';

/** Creates the resolvers of subscriptions. `Id` is the schema of the CRM's ids. */
export const createSubscriptions = (Id: IdSchema): SubscriptionResolvers => {
  const readId = (id: string | null | undefined, argument: string): string | undefined =>
    typeof id === 'string' ? readInput(Id, id, argument) : undefined;
  return {
    customerChanged: {
      subscribe: (_, args, context) => {
        const id = readId(args.id, 'id');
        const email = typeof args.email === 'string' ? readInput(Email, args.email, 'email') : undefined;
        return subscribeTo<Context, CustomerChanged>(
          context,
          'customerChanged',
          async (message, { crm }, customerEmail) => {
            if (id !== undefined && message.id !== id) return false;
            const customer = await crm.customer(message.id);
            if (!customer) return false;
            return [email, customerEmail].every((one) => one === undefined || customer.email === one);
          },
        );
      },
      resolve: ({ message: { id } }: FeedEvent<CustomerChanged>, _: unknown, { crm }: Context) => crm.customer(id),
    },
    dealChanged: {
      subscribe: (_, args, context) => {
        const id = readId(args.id, 'id');
        const customerId = readId(args.customerId, 'customerId');
        const { status } = args;
        return subscribeTo<Context, DealChanged>(context, 'dealChanged', async (message, { crm }, customerEmail) => {
          if (id !== undefined && message.id !== id) return false;
          const deal = await crm.deal(message.id);
          if (!deal || (status && deal.status !== status)) return false;
          if (customerId === undefined && customerEmail === undefined) return true;
          const customers = (await crm.customersOfDeal(deal.id)).filter(
            (one): one is Customer => !(one instanceof Error),
          );
          return (
            (customerId === undefined || customers.some((one) => one.id === customerId)) &&
            (customerEmail === undefined || customers.some((one) => one.email === customerEmail))
          );
        });
      },
      resolve: ({ message: { id } }: FeedEvent<DealChanged>, _: unknown, { crm }: Context) => crm.deal(id),
    },
  };
};
