import type { DomainEvents } from '../../events/domain-events.ts';
import type { PaymentMessage } from './model.ts';

/** The events of payments for other applications. */
export const events: DomainEvents<PaymentMessage> = {
  paymentChanged: {
    description: 'A payment may have changed: created, paid, captured, canceled or refunded.',
    keys: { id: 'The ID of the payment.' },
    subject: 'id',
  },
  refundCreated: {
    description: 'A payment was refunded, wholly or in part.',
    keys: { id: 'The ID of the refund.', paymentId: 'The ID of the payment.' },
    subject: 'id',
  },
};
