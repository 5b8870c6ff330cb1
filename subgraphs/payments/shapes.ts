import { z } from 'zod';

/*
 * What is read of Stripe's objects; the rest of them is ignored. Names and states as in the API version that the
 * official SDK 23 is pinned to (2026-10-28).
 */

const Id = z.string().min(1);
const Amount = z.number().int();
const Seconds = z.number().int();
const CurrencyCode = z.string().length(3);

/** A customer object: one account of a person. */
export const ApiAccount = z.object({
  id: Id,
  email: z.string().nullable(),
  name: z.string().nullish(),
  /** Null until the first payment or invoice decides it. */
  currency: CurrencyCode.nullish(),
  balance: Amount,
  created: Seconds,
});
export type ApiAccount = z.output<typeof ApiAccount>;

const DeletedAccount = z.object({ id: Id, deleted: z.literal(true) });

export const ApiRefund = z.object({
  id: Id,
  amount: Amount,
  currency: CurrencyCode,
  status: z.enum(['pending', 'requires_action', 'succeeded', 'failed', 'canceled']).nullable(),
  reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer', 'expired_uncaptured_charge']).nullable(),
  created: Seconds,
});
export type ApiRefund = z.output<typeof ApiRefund>;

/** A payment intent, always asked for with its customer and its latest charge's refunds in it. */
export const ApiPayment = z.object({
  id: Id,
  amount: Amount,
  amount_received: Amount,
  currency: CurrencyCode,
  status: z.enum([
    'requires_payment_method',
    'requires_confirmation',
    'requires_action',
    'requires_capture',
    'processing',
    'succeeded',
    'canceled',
  ]),
  description: z.string().nullable(),
  created: Seconds,
  customer: z.union([DeletedAccount, ApiAccount]).nullable(),
  latest_charge: z
    .object({
      amount_refunded: Amount,
      refunds: z.object({ data: z.array(ApiRefund), has_more: z.boolean() }).nullish(),
    })
    .nullable(),
});
export type ApiPayment = z.output<typeof ApiPayment>;

/**
 * A payment as it was just made, with what lets its maker confirm it. Nowhere else is that read: payments are kept, in
 * Redis too, and whoever holds the secret of one can act on it.
 */
export const ApiNewPayment = ApiPayment.extend({ client_secret: z.string().nullish() });
export type ApiNewPayment = z.output<typeof ApiNewPayment>;

export const ApiInvoice = z.object({
  id: Id,
  number: z.string().nullable(),
  status: z.enum(['draft', 'open', 'paid', 'uncollectible', 'void']).nullable(),
  currency: CurrencyCode,
  total: Amount,
  amount_remaining: Amount,
  created: Seconds,
  due_date: Seconds.nullable(),
  customer_email: z.string().nullable(),
});
export type ApiInvoice = z.output<typeof ApiInvoice>;

/** A page of a list, newest first. */
export const listOf = <Item extends z.ZodType>(item: Item) => z.object({ data: z.array(item), has_more: z.boolean() });

/** A page of search results. */
export const searchResultOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), has_more: z.boolean(), next_page: z.string().nullish() });

/** A refund as made, with its payment in it. */
export const ApiMadeRefund = ApiRefund.extend({ payment_intent: ApiPayment });
export type ApiMadeRefund = z.output<typeof ApiMadeRefund>;

/** The body of an error. */
export const ApiError = z.object({
  error: z.object({
    type: z.string(),
    code: z.string().nullish(),
    decline_code: z.string().nullish(),
    param: z.string().nullish(),
  }),
});
