import { useApolloClient } from '@apollo/client/react';
import { createContext, useContext, useEffect, useState } from 'react';
import { CustomerOverviewDocument, type CustomerOverviewQuery } from '../generated/graphql.ts';
import {
  useCustomerChangesSubscription,
  usePaymentChangesSubscription,
  useStockChangesSubscription,
} from '../generated/hooks.ts';
import { formatMoney } from '../money.ts';
import { notePayment } from './note-payment.ts';
import { takeGap, useGap, useLiveState } from './state.ts';

type Customer = NonNullable<CustomerOverviewQuery['customer']>;

const SubgraphsContext = createContext<readonly string[]>([]);

/** Provides the subgraphs whose changes can be subscribed to. */
export const LiveSubgraphs = SubgraphsContext.Provider;

/** A change that has arrived, in words. */
export type Change = { readonly text: string; readonly at: number };

/**
 * Subscribes to the changes of the customer that is shown: the record, the payments with their refunds and the balance, and the
 * stock of the products in the deals. The cache is updated by id. Returns the last change.
 *
 * A refund is also a change of its payment, so `refundCreated` would tell nothing more, and take one more connection.
 */
export const useLiveCustomer = (id: string, customer: Customer | null | undefined): Change | undefined => {
  const subgraphs = useContext(SubgraphsContext);
  const client = useApolloClient();
  const [change, setChange] = useState<Change>();
  const note = (text: string) => setChange({ text, at: Date.now() });
  const email = customer?.email ?? '';
  const skus = customer ? skusOf(customer) : [];
  const has = (subgraph: string) => customer !== null && customer !== undefined && subgraphs.includes(subgraph);

  usePaymentChangesSubscription({
    variables: { email },
    // A list that may not be read is null, and its changes would be refused.
    skip: !has('payments') || email === '' || !customer?.payments,
    errorPolicy: 'all',
    ignoreResults: true,
    onData: ({ data: { data } }) => {
      const payment = data?.paymentChanged;
      if (!payment) return;
      notePayment(client.cache, id, payment);
      note(`The payment${payment.amount ? ` of ${formatMoney(payment.amount)}` : ''} has changed.`);
    },
  });
  useCustomerChangesSubscription({
    variables: { id },
    skip: !has('crm'),
    errorPolicy: 'all',
    ignoreResults: true,
    onData: ({ data: { data } }) => {
      if (data?.customerChanged) note('The customer’s record has changed.');
    },
  });
  useStockChangesSubscription({
    variables: { skus },
    skip: !has('inventory') || skus.length === 0,
    errorPolicy: 'all',
    ignoreResults: true,
    onData: ({ data: { data } }) => {
      if (data?.stockChanged) note(`The stock of ${data.stockChanged.sku} has changed.`);
    },
  });

  const isLive = useLiveState() === 'live';
  const hasGap = useGap();
  useEffect(() => {
    if (!isLive || !hasGap || !takeGap()) return;
    // Between the page's query and the first event, a change could be missed. The gateway has most of it in its cache.
    void client
      .query({ query: CustomerOverviewDocument, variables: { id }, fetchPolicy: 'network-only', errorPolicy: 'all' })
      .catch(() => {});
  }, [isLive, hasGap, client, id]);
  return change;
};

/** The maximum number of products in a subscription. */
const MAX_SKUS = 500;

const skusOf = ({ deals }: Customer): string[] => {
  const products = (deals?.edges ?? []).flatMap(({ node }) => (node?.lineItems ?? []).map((line) => line?.product));
  return [...new Set(products.flatMap((product) => (product?.stock ? product.sku : [])))].sort().slice(0, MAX_SKUS);
};
