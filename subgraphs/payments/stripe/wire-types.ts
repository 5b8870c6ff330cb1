import { z } from 'zod';
import { parseItem } from '../../../connectors/reads/items.ts';

/*
 * What is read of Stripe's objects; the rest of them is ignored. Names and states as in the API version that the
 * official SDK 23 is pinned to (2026-10-28). Required is what Stripe's OpenAPI description requires: a payment may come without
 * an amount, a customer without a balance, and then they are null here, never zero.
 */

const Id = z.string().min(1);
const Amount = z.number().int();
// To the end of the year 9999: what lies beyond is no date.
const Seconds = z.number().int().min(0).max(253_402_300_799);
const CurrencyCode = z.string().regex(/^[A-Za-z]{3}$/);

/** Null where it is absent. */
const optional = <Schema extends z.ZodType>(schema: Schema) => schema.nullish().transform((value) => value ?? null);

// More than any list here is asked for: a page has 100 at most.
const MAX_ITEMS = 1_000;

/** The items of a list, each parsed on its own. */
const itemsOf = <Schema extends z.ZodType>(schema: Schema, operation: string) =>
  z
    .array(z.unknown())
    .max(MAX_ITEMS)
    .transform((items) => items.map((item) => parseItem(schema, item, operation)));

/** A customer object: one account of a person. */
export const StripeCustomer = z.object({
  id: Id,
  email: optional(z.string()),
  name: optional(z.string()),
  /** Null until the first payment or invoice decides it. */
  currency: optional(CurrencyCode),
  balance: optional(Amount),
  created: Seconds,
});
export type StripeCustomer = z.output<typeof StripeCustomer>;

export const ApiRefund = z.object({
  id: Id,
  amount: Amount,
  currency: CurrencyCode,
  status: optional(z.enum(['pending', 'requires_action', 'succeeded', 'failed', 'canceled'])),
  reason: optional(z.enum(['duplicate', 'fraudulent', 'requested_by_customer', 'expired_uncaptured_charge'])),
  created: Seconds,
});
export type ApiRefund = z.output<typeof ApiRefund>;

const Charge = z.object({
  amount_refunded: Amount,
  /** The latest ten; absent where they did not come along. */
  refunds: z
    .object({ data: itemsOf(ApiRefund, 'latest_charge.refunds'), has_more: z.boolean() })
    .nullish()
    .transform((refunds) => refunds ?? undefined),
});

const CustomerOfPayment = z.union([
  Id.transform((id) => ({ id, email: null, isExpanded: false })),
  // Also one that was deleted, which has no address.
  z.object({ id: Id, email: optional(z.string()) }).transform((customer) => ({ ...customer, isExpanded: true })),
]);

/** A payment intent, always asked for with its customer and its latest charge's refunds in it. */
export const ApiPayment = z.object({
  id: Id,
  amount: optional(Amount),
  amount_received: optional(Amount),
  currency: optional(CurrencyCode),
  status: z.enum([
    'requires_payment_method',
    'requires_confirmation',
    'requires_action',
    'requires_capture',
    'processing',
    'succeeded',
    'canceled',
  ]),
  description: optional(z.string()),
  created: Seconds,
  customer: optional(CustomerOfPayment),
  /** Null where nothing was charged yet; absent where Stripe does not say, or gives only an id. */
  latest_charge: z
    .union([Charge, Id.transform(() => undefined)])
    .nullable()
    .optional(),
});
export type ApiPayment = z.output<typeof ApiPayment>;

/**
 * A payment as it was just made, with what lets its maker confirm it. Nowhere else is that read: payments are kept, in
 * Redis too, and whoever holds the secret of one can act on it.
 */
export const ApiNewPayment = ApiPayment.extend({ client_secret: optional(z.string()) });
export type ApiNewPayment = z.output<typeof ApiNewPayment>;

/** A customer object as it was just made. */
export const ApiNewAccount = z.object({ id: Id });

export const ApiInvoice = z.object({
  id: Id,
  number: optional(z.string()),
  status: optional(z.enum(['draft', 'open', 'paid', 'uncollectible', 'void'])),
  currency: CurrencyCode,
  total: Amount,
  amount_remaining: Amount,
  created: Seconds,
  due_date: optional(Seconds),
  customer_email: optional(z.string()),
});
export type ApiInvoice = z.output<typeof ApiInvoice>;

/** A page of a list, newest first. An item that cannot be used is `Unusable`. */
export const listOf = <Item extends z.ZodType>(item: Item, operation: string) =>
  z.object({ data: itemsOf(item, operation), has_more: z.boolean() });

const Searched = { has_more: z.boolean(), next_page: optional(z.string()) };

/** A page of search results. An item that cannot be used is `Unusable`. */
export const searchResultOf = <Item extends z.ZodType>(item: Item, operation: string) =>
  z.object({ data: itemsOf(item, operation), ...Searched });

/** A page of what a search for several customers found: each item with whose it is, null where that cannot be read. */
export const ownedResultOf = <Item extends z.ZodType>(item: Item, owner: z.ZodType<string>, operation: string) =>
  z.object({
    data: z
      .array(
        z.unknown().transform((value) => ({
          item: parseItem(item, value, operation),
          owner: owner.safeParse(value).data ?? null,
        })),
      )
      .max(MAX_ITEMS),
    ...Searched,
  });

/** The address of a customer object. */
export const EmailOfAccount = z.object({ email: z.string() }).transform(({ email }) => email);

/** The id of the customer of a payment. */
export const AccountOfPayment = z.object({ customer: CustomerOfPayment }).transform(({ customer }) => customer.id);

/** A refund as made, with its payment in it; null where that did not come along or cannot be used. */
export const ApiMadeRefund = ApiRefund.extend({
  payment_intent: z
    .unknown()
    .optional()
    .transform((value) => ApiPayment.safeParse(value).data ?? null),
});
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
