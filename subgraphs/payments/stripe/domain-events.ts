import { z } from 'zod';
import type { Changes } from '../../../connectors/reads/read.ts';
import type { DomainEventChanges } from '../../../events/domain-events.ts';
import type { PaymentMessage } from '../model.ts';
import { inputs } from './inputs.ts';
import type { StripeReads } from './reads.ts';

/** Returns the changes of a payment. Its account is not known, so all lists of payments may have changed. */
const ofPayment = (id: string): Changes<StripeReads> => ({
  payment: [id],
  refunds: [id],
  paymentLists: 'all',
  paymentPages: 'all',
  paymentsBySearch: 'all',
});

const RefundId = z.string().regex(/^(re|pyr)_\w{1,250}$/);

/** The reads from Stripe that the domain events of other applications invalidate. */
export const domainEvents: DomainEventChanges<Changes<StripeReads>, PaymentMessage> = {
  paymentChanged: { keys: z.object({ id: inputs.paymentId }), changes: ({ id }) => ofPayment(id) },
  refundCreated: {
    keys: z.object({ id: RefundId, paymentId: inputs.paymentId }),
    changes: ({ paymentId }) => ofPayment(paymentId),
  },
};
