import { useEffect, useId, useRef, useState } from 'react';
import { Link, useRoute, useSearchParams } from 'wouter';
import type { CustomerRowFragment } from '../generated/graphql.ts';
import { useCustomerListQuery } from '../generated/hooks.ts';
import { Missing, MissingItems, StaleHint } from '../notices.tsx';
import { splitItems } from '../split-items.ts';
import { nameOf } from './names.ts';

// One step back leaves the search, not its last letters.
const REPLACING = { replace: true };

// Every keystroke would be a search at the CRM, which takes four a second.
const PAUSE_MS = 300;

/** The customers, with a search. What is searched for is in the URL. */
export const CustomerList = () => {
  const [params, setParams] = useSearchParams();
  const sought = params.get('q') ?? '';
  const { data, error, loading, fetchMore, refetch } = useCustomerListQuery({
    variables: { text: sought || null },
    errorPolicy: 'all',
    notifyOnNetworkStatusChange: true,
    // A list has nothing that this page changes, so the browser may keep it as long as the gateway says.
    context: { fetchOptions: { method: 'GET' } },
  });
  const list = data?.customers;
  const { present, missing } = splitItems(list?.edges.map(({ node }) => node) ?? []);
  const search = (text: string) =>
    setParams((before) => {
      const after = new URLSearchParams(before);
      if (text) after.set('q', text);
      else after.delete('q');
      return after;
    }, REPLACING);
  const showMore = () => void fetchMore({ variables: { after: list?.pageInfo.endCursor ?? null } });
  return (
    <>
      <Search text={sought} onSearch={search} />
      <StaleHint operation="CustomerList" />
      <p role="status" className="quiet">
        {statusOf(loading, list?.edges.length, list?.pageInfo.hasNextPage)}
      </p>
      {!list && !loading && <Missing what="The customers" error={error} onRetry={() => void refetch()} />}
      <ul className="rows">
        {present.map((customer) => (
          <Row key={customer.id} customer={customer} search={params.toString()} />
        ))}
      </ul>
      <MissingItems one="customer" many="customers" count={missing} />
      {list?.pageInfo.hasNextPage && (
        <button type="button" onClick={showMore} disabled={loading}>
          Show more
        </button>
      )}
    </>
  );
};

const statusOf = (loading: boolean, count: number | undefined, hasMore: boolean | undefined): string => {
  if (loading) return 'Loading…';
  if (count === undefined) return '';
  if (count === 0) return 'Nobody found.';
  return `${count} ${count === 1 ? 'customer' : 'customers'}${hasMore ? ', and more' : ''}`;
};

const Search = ({ text, onSearch }: { text: string; onSearch: (text: string) => void }) => {
  const id = useId();
  const [typed, setTyped] = useState(text);
  const wanted = typed.trim();
  const sent = useRef(text);
  useEffect(() => {
    if (wanted === text) return;
    const timer = setTimeout(() => {
      sent.current = wanted;
      onSearch(wanted);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [wanted, text, onSearch]);
  // Going back in the browser changes what is searched for as well.
  useEffect(() => {
    if (text === sent.current) return;
    sent.current = text;
    setTyped(text);
  }, [text]);
  return (
    <search>
      <label htmlFor={id}>Search by name, address or number</label>
      <input id={id} type="search" value={typed} onChange={({ target }) => setTyped(target.value)} autoComplete="off" />
    </search>
  );
};

const Row = ({ customer, search }: { customer: CustomerRowFragment; search: string }) => {
  const [, open] = useRoute('/customers/:id');
  return (
    <li>
      <Link
        href={`/customers/${encodeURIComponent(customer.id)}${search ? `?${search}` : ''}`}
        aria-current={open?.id === customer.id ? 'page' : undefined}
      >
        <strong>{nameOf(customer)}</strong>
        <span>{[customer.company?.name, customer.email].filter(Boolean).join(' · ')}</span>
      </Link>
    </li>
  );
};
