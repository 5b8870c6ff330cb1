import { createKeyedTag, createTag } from '../../connectors/tag.ts';

/** What writes change of Stripe: readers tag what they read with these, and mutations invalidate them. */
export const tags = {
  /** By address in lower case: a person's accounts. */
  accounts: createKeyedTag('accounts'),
  /** By id: a payment with its refunds. */
  payment: createKeyedTag('payments'),
  /** By account: every page of its payments. */
  paymentsOf: createKeyedTag('paymentsOf'),
  /** Every page of every account's payments, for a payment of an unknown account. */
  paymentsOfAll: createTag('paymentsOfAll'),
  /** Every page of the list of all payments: any payment may be on any of them. */
  paymentLists: createTag('paymentLists'),
};
