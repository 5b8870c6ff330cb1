import { useState } from 'react';
import { useSearchParams } from 'wouter';
import { useCustomerListQuery } from '../generated/hooks.ts';
import { Missing, MissingItems, ShowMore } from '../notices.tsx';
import { Found, useFound } from '../search/found.tsx';
import { SearchBox } from '../search/search-box.tsx';
import { SkeletonRows } from '../skeleton.tsx';
import { splitItems } from '../split-items.ts';
import { CustomerRow } from './row.tsx';

// Going back leaves the search instead of undoing its last letters.
const REPLACING = { replace: true };

/** The list of customers, with a search. The search text is in the URL. */
export const CustomerList = () => {
  const [params, setParams] = useSearchParams();
  const sought = params.get('q') ?? '';
  const { data, error, loading, fetchMore, refetch } = useCustomerListQuery({
    variables: { text: sought || null },
    errorPolicy: 'all',
    notifyOnNetworkStatusChange: true,
    // The page does not change customers, so the browser may cache the list for as long as the gateway allows.
    context: { fetchOptions: { method: 'GET' } },
  });
  const [moreError, setMoreError] = useState<Error>();
  const list = data?.customers;
  const { present, missing } = splitItems(list?.edges.map(({ node }) => node) ?? []);
  const found = useFound(sought, present);
  const count = list?.edges.length ?? 0;
  const hasMore = list?.pageInfo.hasNextPage ?? false;
  const isFirstLoad = loading && !list;
  const search = (text: string) => {
    setMoreError(undefined);
    setParams((before) => {
      const after = new URLSearchParams(before);
      if (text) after.set('q', text);
      else after.delete('q');
      return after;
    }, REPLACING);
  };
  const showMore = async () => {
    setMoreError(undefined);
    try {
      const page = await fetchMore({ variables: { after: list?.pageInfo.endCursor ?? null } });
      if (!page.data?.customers) setMoreError(page.error ?? new Error('There was no answer.'));
    } catch (cause) {
      setMoreError(cause instanceof Error ? cause : new Error(String(cause)));
    }
  };
  return (
    <>
      <SearchBox text={sought} onSearch={search} />
      <p role="status" className="quiet">
        {isFirstLoad ? 'Loading…' : list && statusOf(count, hasMore, found)}
      </p>
      {isFirstLoad && <SkeletonRows count={8} />}
      {!list && !loading && <Missing what="The customers" error={error} onRetry={() => void refetch()} />}
      <ul className="rows" aria-label="Customers">
        {present.map((customer) => (
          <CustomerRow key={customer.id} customer={customer} />
        ))}
      </ul>
      <MissingItems one="customer" many="customers" count={missing} />
      {list && (count > 0 || sought === '') && (
        <ShowMore
          many="customers"
          hasMore={hasMore}
          count={count}
          loading={loading}
          error={moreError}
          onMore={() => void showMore()}
        />
      )}
      {sought && <Found found={found} />}
    </>
  );
};

/** The status line of a search, e.g. `2 customers; 1 deal`. */
const statusOf = (
  count: number,
  hasMore: boolean,
  { deals, customers, items }: ReturnType<typeof useFound>,
): string => {
  const parts = [
    count > 0 && `${many(count, 'customer')}${hasMore ? ', and more' : ''}`,
    deals.length > 0 && many(deals.length, 'deal'),
    customers.length > 0 && `${many(customers.length, 'customer')} loaded here`,
    items.length > 0 && many(items.length, 'order or deal', 'orders and deals'),
  ].filter((part) => part !== false);
  return parts.length > 0 ? parts.join('; ') : 'Nothing found.';
};

const many = (count: number, one: string, several = `${one}s`): string => `${count} ${count === 1 ? one : several}`;
