import type { ReactNode } from 'react';
import { nameOf } from '../customers/names.ts';
import { CustomerRow, Row } from '../customers/row.tsx';
import type { CustomerRowFragment, FoundDealFragment } from '../generated/graphql.ts';
import { useCustomerListQuery, useFindQuery } from '../generated/hooks.ts';
import { splitItems } from '../split-items.ts';
import { seenName, useSeen } from './seen.ts';

/**
 * Finds what the CRM's customer search does not: deals by name, customers and deals by number, and matches in the data
 * that this page has loaded.
 */
export const useFound = (search: string, listed: readonly CustomerRowFragment[]) => {
  const isNumber = /^\d{1,20}$/.test(search);
  const { data, loading } = useFindQuery({
    variables: { text: search, number: isNumber ? search : '0', isNumber },
    skip: search === '',
    errorPolicy: 'all',
    context: { fetchOptions: { method: 'GET' } },
  });
  const seen = useSeen(search);
  const byText = splitItems(data?.deals?.edges.map(({ node }) => node) ?? []).present;
  const deals = uniqueById(data?.deal ? [data.deal, ...byText] : byText);
  const listedIds = new Set(listed.map(({ id }) => id));
  const customers = uniqueById(data?.customer ? [data.customer, ...seen.customers] : seen.customers).filter(
    ({ id }) => !listedIds.has(id),
  );
  const dealIds = new Set(deals.map(({ id }) => id));
  const items = seen.items.filter(({ id }) => !dealIds.has(id));
  return {
    loading,
    customers,
    deals,
    items,
    hasMoreDeals: data?.deals?.pageInfo.hasNextPage ?? false,
    seenCount: seen.count,
  };
};

const uniqueById = <Item extends { readonly id: string }>(items: readonly Item[]): Item[] => [
  ...new Map(items.map((item) => [item.id, item])).values(),
];

/** The groups of search results below the customers that the CRM has found. */
export const Found = ({ found }: { found: ReturnType<typeof useFound> }) => {
  const { customers, deals, items, hasMoreDeals, seenCount } = found;
  return (
    <>
      <Group title="Matching deals" count={deals.length}>
        {deals.map((deal) => (
          <DealRow key={deal.id} deal={deal} />
        ))}
      </Group>
      {hasMoreDeals && <p className="quiet">There are more deals. Refine the search to see them.</p>}
      <Group title="Customers loaded here" count={customers.length}>
        {customers.map((customer) => (
          <CustomerRow key={customer.id} customer={customer} />
        ))}
      </Group>
      <Group title="Orders and deals of opened customers" count={items.length}>
        {items.map(({ id, title, customerId }) => (
          <Row key={id} customerId={customerId} title={title}>
            {seenName(customerId)}
          </Row>
        ))}
      </Group>
      <p className="quiet">
        Names, e-mail addresses, telephone numbers and deals are searched in the whole CRM; companies and spellings
        without accents in the {seenCount} customers loaded here; orders in the customers opened here.
      </p>
      <SearchFurther />
    </>
  );
};

/** A button that loads further customers, to search their loaded data. */
const SearchFurther = () => {
  const { data, loading, fetchMore } = useCustomerListQuery({
    variables: { text: null },
    errorPolicy: 'all',
    notifyOnNetworkStatusChange: true,
    context: { fetchOptions: { method: 'GET' } },
  });
  const pageInfo = data?.customers?.pageInfo;
  if (!pageInfo?.hasNextPage) return null;
  const more = () => {
    if (!loading) void fetchMore({ variables: { after: pageInfo.endCursor } }).catch(() => {});
  };
  return (
    <button type="button" className="more" onClick={more} aria-disabled={loading}>
      Search in more customers
    </button>
  );
};

const Group = ({ title, count, children }: { title: string; count: number; children: ReactNode }) =>
  count > 0 && (
    <section aria-label={title}>
      <h2 className="group">{title}</h2>
      <ul className="rows">{children}</ul>
    </section>
  );

const DealRow = ({ deal: { id, name, customers } }: { deal: FoundDealFragment }) => {
  const { present } = splitItems(customers ?? []);
  const title = name ?? `Deal ${id}`;
  const [first] = present;
  if (!first) {
    return (
      <li className="lone">
        <strong>{title}</strong>
        <span className="second">Deal {id}, no customer</span>
      </li>
    );
  }
  return (
    <Row customerId={first.id} title={title} aside={`Deal ${id}`}>
      {present.map(nameOf).join(', ')}
    </Row>
  );
};
