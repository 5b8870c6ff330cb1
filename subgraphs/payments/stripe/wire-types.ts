import { z } from 'zod';
import { parseItem } from '../../../connectors/reads/items.ts';

/*
 * Schemas of Stripe's objects, limited to the fields that are used. Names and states are those of the API version that the
 * official SDK 23 is pinned to (2026-10-28). Fields are required where Stripe's OpenAPI document requires them: a payment may
 * lack an amount, a customer a balance. Those are null here, never zero.
 */

const Id = z.string().min(1);
const Amount = z.number().int();
// Up to the end of the year 9999, beyond which ISO 8601 dates need more digits.
const Seconds = z.number().int().min(0).max(253_402_300_799);
const CurrencyCode = z.string().regex(/^[A-Za-z]{3}$/);

/** Makes a field nullable; null if it is absent. */
const optional = <Schema extends z.ZodType>(schema: Schema) => schema.nullish().transform((value) => value ?? null);

// More than any list here requests: a page has at most 100.
const MAX_ITEMS = 1_000;

/** Schema of a list's items, each parsed on its own. */
const itemsOf = <Schema extends z.ZodType>(schema: Schema, operation: string) =>
  z
    .array(z.unknown())
    .max(MAX_ITEMS)
    .transform((items) => items.map((item) => parseItem(schema, item, operation)));

/** A customer object: one account of a customer. */
export const StripeCustomer = z.object({
  id: Id,
  email: optional(z.string()),
  name: optional(z.string()),
  /** Null until the first payment or invoice sets it. */
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
  /** The latest ten; absent if not expanded. */
  refunds: z
    .object({ data: itemsOf(ApiRefund, 'latest_charge.refunds'), has_more: z.boolean() })
    .nullish()
    .transform((refunds) => refunds ?? undefined),
});

const CustomerOfPayment = z.union([
  Id.transform((id) => ({ id, email: null, isExpanded: false })),
  // Includes deleted customers, which have no address.
  z.object({ id: Id, email: optional(z.string()) }).transform((customer) => ({ ...customer, isExpanded: true })),
]);

/** A payment intent, always requested with its customer and its latest charge's refunds expanded. */
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
  /** Null if nothing was charged yet; absent if Stripe omits it or returns only an id. */
  latest_charge: z
    .union([Charge, Id.transform(() => undefined)])
    .nullable()
    .optional(),
});
export type ApiPayment = z.output<typeof ApiPayment>;

/**
 * A payment that was just created, with the secret to confirm it. The secret is read nowhere else: payments are cached, in
 * Redis too, and anybody with a payment's secret can act on it.
 */
export const ApiNewPayment = ApiPayment.extend({ client_secret: optional(z.string()) });
export type ApiNewPayment = z.output<typeof ApiNewPayment>;

/** A customer object that was just created. */
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

/** Schema of a page of a list, newest first. Invalid items become `InvalidItem`. */
export const listOf = <Item extends z.ZodType>(item: Item, operation: string) =>
  z.object({ data: itemsOf(item, operation), has_more: z.boolean() });

const Searched = { has_more: z.boolean(), next_page: optional(z.string()) };

/** Schema of a page of search results. Invalid items become `InvalidItem`. */
export const searchResultOf = <Item extends z.ZodType>(item: Item, operation: string) =>
  z.object({ data: itemsOf(item, operation), ...Searched });

/** Schema of a page of a search for several customers: each item with its owner, null if that cannot be read. */
export const searchResultWithOwnerOf = <Item extends z.ZodType>(
  item: Item,
  owner: z.ZodType<string>,
  operation: string,
) =>
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

/** Schema that extracts the address of a customer object. */
export const EmailOfAccount = z.object({ email: z.string() }).transform(({ email }) => email);

/** Schema that extracts the id of a payment's customer. */
export const AccountOfPayment = z.object({ customer: CustomerOfPayment }).transform(({ customer }) => customer.id);

/** A refund that was just created, with its payment; null if that is missing or invalid. */
export const ApiCreatedRefund = ApiRefund.extend({
  payment_intent: z
    .unknown()
    .optional()
    .transform((value) => ApiPayment.safeParse(value).data ?? null),
});
export type ApiCreatedRefund = z.output<typeof ApiCreatedRefund>;

/** The body of an error response. */
export const ApiError = z.object({
  error: z.object({
    type: z.string(),
    code: z.string().nullish(),
    decline_code: z.string().nullish(),
    param: z.string().nullish(),
  }),
});
