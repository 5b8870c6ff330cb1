import type { ErrorLike } from '@apollo/client';
import { useState } from 'react';
import { formatDay, inWords } from '../customers/names.ts';
import type { CustomerOverviewQuery, PaymentRowFragment } from '../generated/graphql.ts';
import { useMorePaymentsLazyQuery } from '../generated/hooks.ts';
import { formatMoney, isPositive, subtract } from '../money.ts';
import { Missing, StaleHint } from '../notices.tsx';
import { RefundDialog } from './refund-dialog.tsx';

type Customer = NonNullable<CustomerOverviewQuery['customer']>;
type Props = { customer: Customer; error: ErrorLike | undefined; onRetry: () => void };

/** What a customer has paid, newest first, each with its refunds. */
export const PaymentList = ({ customer: { id, payments }, error, onRetry }: Props) => {
  const [refunding, setRefunding] = useState<PaymentRowFragment>();
  const [loadMore, more] = useMorePaymentsLazyQuery({ fetchPolicy: 'network-only' });
  // The cache adds the page to the list.
  const showMore = () => {
    const after = payments?.pageInfo.endCursor;
    if (after) void loadMore({ variables: { id, after } }).catch(() => {});
  };
  const close = (isUncertain: boolean) => {
    setRefunding(undefined);
    if (isUncertain) onRetry();
  };
  return (
    <section aria-labelledby="payments">
      <h3 id="payments">Payments</h3>
      <StaleHint operation="CustomerOverview" at={['customer', 'payments']} />
      {payments === null && <Missing what="Payments" error={error} at={['customer', 'payments']} onRetry={onRetry} />}
      {payments?.edges.length === 0 && <p className="quiet">None yet.</p>}
      <ul className="cards">
        {payments?.edges.map(({ node }) => (
          <Payment key={node.id} payment={node} onRefund={() => setRefunding(node)} />
        ))}
      </ul>
      {more.error && !more.loading && <Missing what="More payments" error={more.error} onRetry={showMore} />}
      {payments?.pageInfo.hasNextPage && !more.error && (
        <button type="button" onClick={showMore} disabled={more.loading}>
          Show more payments
        </button>
      )}
      {refunding && <RefundDialog payment={refunding} onClose={close} />}
    </section>
  );
};

const Payment = ({ payment, onRefund }: { payment: PaymentRowFragment; onRefund: () => void }) => {
  const { amount, amountReceived, amountRefunded, createdAt, description, refunds, status } = payment;
  const left = subtract(amountReceived.amount, amountRefunded.amount);
  const title = `${formatMoney(amount)}, ${formatDay(createdAt)}`;
  return (
    <li aria-label={`Payment of ${title}`}>
      <div className="line">
        <strong>{formatMoney(amount)}</strong>
        <span className={`badge ${status === 'SUCCEEDED' ? 'good' : ''}`}>{inWords(status)}</span>
        <span className="quiet">{formatDay(createdAt)}</span>
        {isPositive(left) && (
          <button type="button" onClick={onRefund} aria-label={`Refund ${title}`}>
            Refund
          </button>
        )}
      </div>
      {description && <p className="quiet">{description}</p>}
      {refunds?.map((refund) => (
        <p key={refund.id} className="refund">
          {formatMoney(refund.amount)} given back{refund.status ? `: ${inWords(refund.status).toLowerCase()}` : ''}
        </p>
      ))}
    </li>
  );
};
