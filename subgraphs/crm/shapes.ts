import { z } from 'zod';

/*
 * What is read of HubSpot's objects. Every property is text or null; a property that was asked for is always there.
 * Source: https://developers.hubspot.com/docs/api/crm/understanding-the-crm
 */

// A property that was cleared comes back as an empty text.
const Text = z
  .string()
  .nullable()
  .transform((value) => value || null);

const Decimal = Text.pipe(
  z
    .string()
    .regex(/^-?\d{1,18}(\.\d{1,18})?$/)
    .nullable(),
);

const Flag = Text.transform((value) => value === 'true');

const Time = Text.pipe(
  z
    .string()
    .refine((value) => Number.isFinite(Date.parse(value)))
    .transform((value) => new Date(value).toISOString())
    .nullable(),
);

const CurrencyCode = Text.pipe(
  z
    .string()
    .regex(/^[A-Z]{3}$/)
    .nullable(),
);

const Id = z.string().min(1);
const CreatedAt = z.iso.datetime({ offset: true }).transform((value) => new Date(value).toISOString());

/** The properties to ask for, by type of object. */
export const PROPERTIES = {
  contacts: ['email', 'firstname', 'lastname', 'phone', 'lifecyclestage'],
  companies: ['name', 'domain'],
  deals: ['dealname', 'dealstage', 'amount', 'deal_currency_code', 'closedate', 'hs_is_closed', 'hs_is_closed_won'],
  line_items: ['name', 'hs_sku', 'quantity', 'price', 'amount', 'hs_line_item_currency_code'],
} as const;

export type ObjectType = keyof typeof PROPERTIES;

export type ApiContact = {
  readonly id: string;
  readonly email: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly phone: string | null;
  readonly lifecycleStage: string | null;
  readonly createdAt: string;
};

export type ApiCompany = { readonly id: string; readonly name: string | null; readonly domain: string | null };

/** A decimal in major units with its currency. */
export type ApiMoney = { readonly amount: string; readonly currency: string };

export type ApiDeal = {
  readonly id: string;
  readonly name: string | null;
  readonly stage: string | null;
  readonly amount: ApiMoney | null;
  readonly closeDate: string | null;
  readonly isClosed: boolean;
  readonly isWon: boolean;
  readonly createdAt: string;
};

export type ApiLineItem = {
  readonly id: string;
  readonly name: string | null;
  readonly sku: string | null;
  readonly quantity: number | null;
  readonly unitPrice: ApiMoney | null;
  readonly amount: ApiMoney | null;
};

const Contact = z
  .object({
    id: Id,
    createdAt: CreatedAt,
    properties: z.object({ email: Text, firstname: Text, lastname: Text, phone: Text, lifecyclestage: Text }),
  })
  .transform(
    ({ id, createdAt, properties }): ApiContact => ({
      id,
      createdAt,
      email: properties.email?.toLowerCase() ?? null,
      firstName: properties.firstname,
      lastName: properties.lastname,
      phone: properties.phone,
      lifecycleStage: properties.lifecyclestage,
    }),
  );

const Company = z
  .object({ id: Id, properties: z.object({ name: Text, domain: Text }) })
  .transform(({ id, properties }): ApiCompany => ({ id, ...properties }));

/**
 * The shapes of the objects. An amount without a currency takes `defaultCurrency`; without that it is refused, since a
 * guess would be a wrong value.
 */
export const createShapes = (defaultCurrency: string | undefined) => {
  const money = (amount: string | null, currency: string | null): ApiMoney | null => {
    const code = currency ?? defaultCurrency;
    return amount !== null && code ? { amount, currency: code } : null;
  };
  const lacksCurrency = (currency: string | null, ...amounts: (string | null)[]) =>
    !currency && !defaultCurrency && amounts.some((amount) => amount !== null);

  const Deal = z
    .object({
      id: Id,
      createdAt: CreatedAt,
      properties: z.object({
        dealname: Text,
        dealstage: Text,
        amount: Decimal,
        deal_currency_code: CurrencyCode,
        closedate: Time,
        hs_is_closed: Flag,
        hs_is_closed_won: Flag,
      }),
    })
    .refine(({ properties: { amount, deal_currency_code } }) => !lacksCurrency(deal_currency_code, amount), {
      path: ['properties', 'deal_currency_code'],
    })
    .transform(
      ({ id, createdAt, properties }): ApiDeal => ({
        id,
        createdAt,
        name: properties.dealname,
        stage: properties.dealstage,
        amount: money(properties.amount, properties.deal_currency_code),
        closeDate: properties.closedate,
        isClosed: properties.hs_is_closed,
        isWon: properties.hs_is_closed_won,
      }),
    );

  const LineItem = z
    .object({
      id: Id,
      properties: z.object({
        name: Text,
        hs_sku: Text,
        quantity: Decimal,
        price: Decimal,
        amount: Decimal,
        hs_line_item_currency_code: CurrencyCode,
      }),
    })
    .refine(
      ({ properties: { price, amount, hs_line_item_currency_code } }) =>
        !lacksCurrency(hs_line_item_currency_code, price, amount),
      { path: ['properties', 'hs_line_item_currency_code'] },
    )
    .transform(
      ({ id, properties }): ApiLineItem => ({
        id,
        name: properties.name,
        sku: properties.hs_sku,
        quantity: properties.quantity === null ? null : Number(properties.quantity),
        unitPrice: money(properties.price, properties.hs_line_item_currency_code),
        amount: money(properties.amount, properties.hs_line_item_currency_code),
      }),
    );

  return { contacts: Contact, companies: Company, deals: Deal, line_items: LineItem };
};

// What a batch says of the inputs that it did not answer. Not one of them may pass for an empty answer.
const BatchErrors = z
  .array(
    z.object({
      category: z.string(),
      subCategory: z.string().nullish(),
      context: z.record(z.string(), z.array(z.string())).default({}),
    }),
  )
  .default([]);

/** The inputs of a batch that failed, by id, with the provider's category. Missing records and links are no failure. */
export const failuresOf = (
  errors: z.output<typeof BatchErrors>,
  idsIn: 'ids' | 'fromObjectId',
): Map<string, string> => {
  const failures = new Map<string, string>();
  for (const { category, subCategory, context } of errors) {
    if (category === 'OBJECT_NOT_FOUND' || subCategory === 'crm.associations.NO_ASSOCIATIONS_FOUND') continue;
    for (const id of context[idsIn] ?? []) failures.set(id, category);
  }
  return failures;
};

/** A batch's answer: each record is judged by itself, so that a broken one costs only itself. */
export const BatchAnswer = z.object({
  results: z.array(z.looseObject({ id: Id, properties: z.record(z.string(), z.unknown()) })),
  errors: BatchErrors,
});

export const Paging = z.object({ next: z.object({ after: z.string() }).optional() }).optional();

/** A page of a list or a search. */
export const pageOf = <Item extends z.ZodType>(item: Item) => z.object({ results: z.array(item), paging: Paging });

/** Ids are numbers in this one API. */
export const AssociationsAnswer = z.object({
  errors: BatchErrors,
  results: z.array(
    z.object({
      from: z.object({ id: Id }),
      to: z.array(
        z.object({
          toObjectId: z.union([z.string(), z.number()]).transform(String),
          associationTypes: z.array(z.object({ label: z.string().nullish() })),
        }),
      ),
      paging: Paging,
    }),
  ),
});

export const Token = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });

const RawRecord = z.object({
  id: Id,
  createdAt: CreatedAt,
  properties: z.record(z.string(), z.string().nullish()),
});
export type RawRecord = z.output<typeof RawRecord>;

/** A batch's answer with properties that are only compared. */
export const RawAnswer = z.object({ results: z.array(RawRecord) });

export const Created = z.object({ id: Id });
