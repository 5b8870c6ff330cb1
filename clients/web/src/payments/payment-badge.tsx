import type { PaymentRowFragment } from '../generated/graphql.ts';
import { isPositive, subtract } from '../money.ts';

type Status = PaymentRowFragment['status'];

const STATUSES: Readonly<Record<Status, { kind: string; text: string }>> = {
  SUCCEEDED: { kind: 'good', text: 'Paid' },
  PROCESSING: { kind: '', text: 'Processing' },
  CANCELED: { kind: '', text: 'Canceled' },
  REQUIRES_ACTION: { kind: 'warn', text: 'Needs the customer' },
  REQUIRES_CAPTURE: { kind: 'warn', text: 'Authorized' },
  REQUIRES_CONFIRMATION: { kind: 'warn', text: 'Needs confirmation' },
  REQUIRES_PAYMENT_METHOD: { kind: 'warn', text: 'Needs a payment method' },
};

const toBadge = ({ status, amountReceived, amountRefunded }: PaymentRowFragment): { kind: string; text: string } => {
  if (!amountRefunded || !isPositive(amountRefunded.amount)) return STATUSES[status];
  const isPart = amountReceived && isPositive(subtract(amountReceived.amount, amountRefunded.amount));
  return isPart ? { kind: 'warn', text: 'Partly refunded' } : { kind: 'warn', text: 'Refunded' };
};

/** The status of a payment, including refunds. */
export const PaymentBadge = ({ payment }: { payment: PaymentRowFragment }) => {
  const { kind, text } = toBadge(payment);
  return <span className={`badge ${kind}`}>{text}</span>;
};
