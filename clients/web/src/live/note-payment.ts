import type { ApolloCache, Reference } from '@apollo/client';
import type { PaymentChangesSubscription } from '../generated/graphql.ts';

type Payment = NonNullable<PaymentChangesSubscription['paymentChanged']>;

/** A list as its cache policy stores it. */
type StoredPage = {
  readonly edges: readonly { readonly node: Reference; readonly __typename: string }[];
  readonly pageInfo: { readonly hasNextPage: boolean };
};

/**
 * Notes a changed payment of a customer in the cache, which has updated the payment already: adds it to the list, newest first, unless
 * it is there or belongs to a page that is not loaded, and sets the balance. The event does not read the customer's id, which another
 * system has.
 */
export const notePayment = (cache: ApolloCache, customerId: string, { id, createdAt, customer }: Payment): void => {
  const key = cache.identify({ __typename: 'Customer', id: customerId });
  const payment = cache.identify({ __typename: 'Payment', id });
  if (key === undefined || payment === undefined) return;
  cache.modify<{ payments: StoredPage | null; balance: unknown }>({
    id: key,
    fields: {
      balance: (stored) => (customer ? customer.balance : stored),
      payments: (stored, { readField }) => {
        const page = stored as StoredPage | null;
        if (!page || page.edges.some(({ node }) => readField('id', node) === id)) return stored;
        const time = Date.parse(createdAt);
        const older = page.edges.findIndex(({ node }) => Date.parse(String(readField('createdAt', node))) < time);
        if (older === -1 && page.pageInfo.hasNextPage) return stored;
        const place = older === -1 ? page.edges.length : older;
        const edges = page.edges.toSpliced(place, 0, { __typename: 'PaymentEdge', node: { __ref: payment } });
        return { ...page, edges };
      },
    },
  });
};
