import { createKeyedTag, createTag } from '../../../connectors/reads/tag.ts';

/** Cache tags of Stripe's data: readers attach them, mutations invalidate them. */
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
