import { useEffect, useRef } from 'react';
import { Link, useSearch } from 'wouter';
import { inWords, nameOf } from '../customers/names.ts';
import { DealList } from '../deals/deal-list.tsx';
import type { CustomerOverviewQuery } from '../generated/graphql.ts';
import { useCustomerOverviewQuery } from '../generated/hooks.ts';
import { formatMoney } from '../money.ts';
import { Missing, StaleHint } from '../notices.tsx';
import { PaymentList } from '../payments/payment-list.tsx';

type Customer = NonNullable<CustomerOverviewQuery['customer']>;

/** Everything about one customer. A system that is down takes its own part with it, and no other. */
export const CustomerPage = ({ id }: { id: string }) => {
  const overview = useCustomerOverviewQuery({
    variables: { id },
    errorPolicy: 'all',
    notifyOnNetworkStatusChange: true,
    // What was seen before is shown at once, and asked anew: a desk has to show what is.
    fetchPolicy: 'cache-and-network',
    nextFetchPolicy: 'cache-first',
  });
  const { data, error, loading } = overview;
  const refetch = () => void overview.refetch();
  const search = useSearch();
  const customer = data?.customer;
  return (
    <article aria-busy={loading}>
      <Link className="back" href={search ? `/?${search}` : '/'}>
        ← All customers
      </Link>
      {!customer && loading && <p role="status">Loading…</p>}
      {!customer && !loading && error && <Missing what="The customer" error={error} onRetry={refetch} />}
      {!customer && !loading && !error && <p role="status">There is no such customer.</p>}
      {customer && (
        <>
          <Heading name={nameOf(customer)} />
          <StaleHint operation="CustomerOverview" at={['customer']} except={['payments', 'deals']} />
          <Card customer={customer} />
          <PaymentList customer={customer} error={error} onRetry={refetch} />
          <DealList deals={customer.deals} error={error} onRetry={refetch} />
        </>
      )}
    </article>
  );
};

/** Takes the focus, so that a screen reader says whose page it is. */
const Heading = ({ name }: { name: string }) => {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    document.title = `${name} – Customer desk`;
    return () => {
      document.title = 'Customer desk';
    };
  }, [name]);
  return (
    <h2 ref={heading} tabIndex={-1}>
      {name}
    </h2>
  );
};

const Card = ({ customer: { company, email, phone, lifecycleStage, balance } }: { customer: Customer }) => (
  <dl className="card">
    {company && <Entry name="Company" value={[company.name, company.domain].filter(Boolean).join(', ')} />}
    {email && <Entry name="E-mail" value={email} />}
    {phone && <Entry name="Phone" value={phone} />}
    {lifecycleStage && <Entry name="Stage" value={inWords(lifecycleStage)} />}
    {balance && <Entry name="Balance" value={formatMoney(balance)} />}
  </dl>
);

const Entry = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);
