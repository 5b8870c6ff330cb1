import type { ReactNode } from 'react';
import { Link, useRoute, useSearch } from 'wouter';
import type { CustomerRowFragment } from '../generated/graphql.ts';
import { nameOf } from './names.ts';

type RowProps = { customerId: string; title: string; aside?: string | undefined; children: ReactNode };

/** A two-line row that links to a customer. */
export const Row = ({ customerId, title, aside, children }: RowProps) => {
  const [, open] = useRoute('/customers/:id');
  const search = useSearch();
  return (
    <li>
      <Link
        href={`/customers/${encodeURIComponent(customerId)}${search ? `?${search}` : ''}`}
        aria-current={open?.id === customerId ? 'page' : undefined}
      >
        <span className="first">
          <strong>{title}</strong>
          {aside && <span title={aside}>{aside}</span>}
        </span>
        <span className="second">{children}</span>
      </Link>
    </li>
  );
};

export const CustomerRow = ({ customer }: { customer: CustomerRowFragment }) => {
  const name = nameOf(customer);
  const { id, company, email } = customer;
  return (
    <Row customerId={id} title={name} aside={company?.name ?? undefined}>
      {email && email !== name ? <span title={email}>{email}</span> : 'No e-mail address'}
    </Row>
  );
};
