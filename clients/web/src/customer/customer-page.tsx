import { useEffect } from 'react';
import { Link, useSearch } from 'wouter';
import { inWords, nameOf } from '../customers/names.ts';
import { DealList } from '../deals/deal-list.tsx';
import { failuresOf } from '../errors.ts';
import type { CustomerOverviewQuery } from '../generated/graphql.ts';
import { useCustomerOverviewQuery } from '../generated/hooks.ts';
import { LiveSign } from '../live/live-sign.tsx';
import { useLiveCustomer } from '../live/use-live-customer.ts';
import { formatMoney } from '../money.ts';
import { NotFound, PageHeading } from '../not-found.tsx';
import { Missing } from '../notices.tsx';
import { forgetCustomerOutages } from '../outages/outages.ts';
import { PaymentList } from '../payments/payment-list.tsx';
import { SkeletonPage } from '../skeleton.tsx';
import { Email } from './email.tsx';

type Customer = NonNullable<CustomerOverviewQuery['customer']>;

/** The page of one customer. If a provider is down, only its part is missing. */
export const CustomerPage = ({ id }: { id: string }) => {
  const overview = useCustomerOverviewQuery({
    variables: { id },
    errorPolicy: 'all',
    notifyOnNetworkStatusChange: true,
    // Shows cached data immediately and fetches it again, because a desk must show the current state.
    fetchPolicy: 'cache-and-network',
    nextFetchPolicy: 'cache-first',
  });
  useEffect(() => forgetCustomerOutages, []);
  const { data, error, loading } = overview;
  const refetch = () => void overview.refetch().catch(() => {});
  const search = useSearch();
  const customer = data?.customer;
  const change = useLiveCustomer(id, customer);
  const isUnknown = !error || failuresOf(error).some(({ code }) => code === 'BAD_USER_INPUT');
  return (
    <article aria-busy={loading}>
      <Link className="back" href={search ? `/?${search}` : '/'}>
        ← All customers
      </Link>
      {!customer && loading && (
        <>
          <p role="status" className="hidden">
            Loading the customer…
          </p>
          <SkeletonPage />
        </>
      )}
      {!customer && !loading && isUnknown && (
        <NotFound title="Customer not found">
          No customer has the id <code>{id}</code>.
        </NotFound>
      )}
      {!customer && !loading && !isUnknown && <Missing what="The customer" error={error} onRetry={refetch} />}
      {customer && (
        <>
          <PageHeading title={nameOf(customer)}>
            {nameOf(customer)}
            {customer.lifecycleStage && <span className="badge">{inWords(customer.lifecycleStage)}</span>}
          </PageHeading>
          <LiveSign change={change} />
          <Card customer={customer} />
          <div className="columns">
            <PaymentList customer={customer} error={error} onRetry={refetch} />
            <DealList customer={customer} error={error} onRetry={refetch} />
          </div>
        </>
      )}
    </article>
  );
};

const Card = ({ customer: { company, email, phone, balance } }: { customer: Customer }) => (
  <dl className="card">
    {company && (
      <div>
        <dt>Company</dt>
        <dd>
          {company.name}
          {company.domain && <small>{company.domain}</small>}
        </dd>
      </div>
    )}
    {email && (
      <div>
        <dt>E-mail</dt>
        <dd>
          <Email address={email} />
        </dd>
      </div>
    )}
    {phone && (
      <div>
        <dt>Phone</dt>
        <dd>
          <a href={`tel:${phone}`}>{phone}</a>
        </dd>
      </div>
    )}
    {balance && (
      <div className="figure">
        <dt>Balance</dt>
        <dd>{formatMoney(balance)}</dd>
      </div>
    )}
  </dl>
);
