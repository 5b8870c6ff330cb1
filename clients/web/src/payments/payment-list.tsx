import type { ErrorLike } from '@apollo/client';
import { useState } from 'react';
import { formatDay, inWords } from '../customers/names.ts';
import { failuresOf } from '../errors.ts';
import type { CustomerOverviewQuery, PaymentRowFragment } from '../generated/graphql.ts';
import { useMorePaymentsLazyQuery } from '../generated/hooks.ts';
import { type Amount, formatMoney, isPositive, subtract } from '../money.ts';
import { Missing, MissingItems, ShowMore } from '../notices.tsx';
import { splitItems } from '../split-items.ts';
import { PaymentBadge } from './payment-badge.tsx';
import { RefundDialog } from './refund-dialog.tsx';

type Customer = NonNullable<CustomerOverviewQuery['customer']>;
type Props = { customer: Customer; error: ErrorLike | undefined; onRetry: () => void };

/** A customer's payments, newest first, with their refunds. */
export const PaymentList = ({ customer: { id, payments }, error, onRetry }: Props) => {
  const [refunding, setRefunding] = useState<{ payment: PaymentRowFragment; left: Amount }>();
  const [loadMore, more] = useMorePaymentsLazyQuery({ fetchPolicy: 'network-only', errorPolicy: 'all' });
  const { present, missing } = splitItems(payments?.edges.map(({ node }) => node) ?? []);
  // An error within the page concerns one payment, not the page.
  const hasFailed = failuresOf(more.error).some(({ path }) => path.length <= 2);
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
      {payments === null && <Missing what="Payments" error={error} at={['customer', 'payments']} onRetry={onRetry} />}
      {payments?.edges.length === 0 && <p className="quiet">No payments yet.</p>}
      <ul className="cards">
        {present.map((payment) => (
          <Payment key={payment.id} payment={payment} onRefund={(left) => setRefunding({ payment, left })} />
        ))}
      </ul>
      <MissingItems one="payment" many="payments" count={missing} />
      {payments && (
        <ShowMore
          many="payments"
          hasMore={payments.pageInfo.hasNextPage}
          count={payments.edges.length}
          loading={more.loading}
          error={hasFailed ? more.error : undefined}
          onMore={showMore}
        />
      )}
      {refunding && <RefundDialog {...refunding} onClose={close} />}
    </section>
  );
};

type PaymentProps = { payment: PaymentRowFragment; onRefund: (left: Amount) => void };

const Payment = ({ payment, onRefund }: PaymentProps) => {
  const { amount, amountReceived, amountRefunded, createdAt, description, refunds } = payment;
  const left = amountReceived &&
    amountRefunded && { ...amountReceived, amount: subtract(amountReceived.amount, amountRefunded.amount) };
  const asked = amount ? formatMoney(amount) : 'Unknown amount';
  const title = `${asked}, ${formatDay(createdAt)}`;
  const { present, missing } = splitItems(refunds ?? []);
  return (
    <li aria-label={`Payment of ${title}`}>
      <div className="line">
        <strong>{description || 'Payment'}</strong>
        <span className="figure">{asked}</span>
      </div>
      <div className="line second">
        <span>{formatDay(createdAt)}</span>
        <PaymentBadge payment={payment} />
        {left && isPositive(left.amount) && (
          <button type="button" onClick={() => onRefund(left)} aria-label={`Refund ${title}`}>
            Refund
          </button>
        )}
      </div>
      {present.map((refund) => (
        <div key={refund.id} className="line refund">
          <span>
            Refund, {formatDay(refund.createdAt)}
            {refund.status ? `, ${inWords(refund.status).toLowerCase()}` : ''}
          </span>
          <span className="figure">−{formatMoney(refund.amount)}</span>
        </div>
      ))}
      <MissingItems one="refund" many="refunds" count={missing} />
    </li>
  );
};
