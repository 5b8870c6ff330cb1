import { z } from 'zod';
import { toAsciiLowerCase } from '../../kit/ascii.ts';

/*
 * Schemas of HubSpot's objects, limited to the properties that are used. Every property is a string or null. HubSpot's OpenAPI
 * document requires an object's id and times and none of its properties, so an absent property is null.
 * Source: https://github.com/HubSpot/HubSpot-public-api-spec-collection, SimplePublicObject
 */

// A cleared property is returned as an empty string.
const Text = z
  .string()
  .nullish()
  .transform((value) => value || null);

const Decimal = Text.pipe(
  z
    .string()
    .regex(/^-?\d{1,18}(\.\d{1,18})?$/)
    .nullable(),
);

const Flag = Text.pipe(z.enum(['true', 'false']).nullable()).transform((value) =>
  value === null ? null : value === 'true',
);

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

/** The properties to request, by object type. */
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
  /** Null if HubSpot omits it. */
  readonly isClosed: boolean | null;
  readonly isWon: boolean | null;
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
      email: properties.email === null ? null : toAsciiLowerCase(properties.email),
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
 * Creates the schemas of the objects. An amount without a currency gets `defaultCurrency`; without that it is invalid, since
 * a guess could be wrong.
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

// More items than any request here asks for.
const MAX_ITEMS = 1_000;

/** The items of a response, unparsed. They are parsed one by one, so that an invalid one does not fail the others. */
const Items = z.array(z.unknown()).max(MAX_ITEMS);

const Paging = z.object({ next: z.object({ after: z.string() }).nullish() }).nullish();

/** The response of a batch. `errors` describes the inputs without a result; see `failuresOf`. */
export const BatchResult = z.object({ results: Items, errors: Items.nullish() });

/** The response of a list or a search. */
export const PageResponse = z.object({ results: Items, paging: Paging });

const Ids = z.array(z.union([z.string(), z.number().transform(String)]));

const BatchError = z.object({
  category: z.string(),
  subCategory: z.unknown().optional(),
  context: z.record(z.string(), z.unknown()).default({}),
});

/** The inputs of a batch without a result. */
export type BatchFailures = {
  /** The failed inputs: HubSpot's error category by id. None of them may pass for a missing record. */
  readonly failed: ReadonlyMap<string, string>;
  /** The ids of inputs that do not exist. */
  readonly missing: ReadonlySet<string>;
  /** False if the response reports failures without naming their inputs. */
  readonly isComplete: boolean;
};

/** Parses the errors of a batch. Missing records and associations are not failures. */
export const failuresOf = (errors: readonly unknown[], idsIn: 'ids' | 'fromObjectId'): BatchFailures => {
  const failed = new Map<string, string>();
  const missing = new Set<string>();
  let isComplete = true;
  for (const error of errors) {
    const { data } = BatchError.safeParse(error);
    const ids = Ids.safeParse(data?.context[idsIn]).data ?? [];
    const isMissing =
      data?.category === 'OBJECT_NOT_FOUND' || data?.subCategory === 'crm.associations.NO_ASSOCIATIONS_FOUND';
    for (const id of ids) {
      if (isMissing) missing.add(id);
      else failed.set(id, data?.category ?? '');
    }
    if (!isMissing && ids.length === 0) isComplete = false;
  }
  return { failed, missing, isComplete };
};

// Ids are numbers in some versions of this API and strings of digits in others.
const LinkedId = z
  .union([z.string(), z.number()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,19}$/));

const AssociationTypes = z.array(z.object({ label: z.string().nullish() })).max(MAX_ITEMS);

/** An association as HubSpot returns it. */
export const Association = z
  .object({ toObjectId: LinkedId, associationTypes: z.unknown().optional() })
  .transform((association): ApiAssociation => {
    const types = AssociationTypes.safeParse(association.associationTypes).data;
    return { id: association.toObjectId, isPrimary: types ? types.some(({ label }) => label === 'Primary') : null };
  });

/** An association with another record. `isPrimary` marks the primary company; null if HubSpot omits it. */
export type ApiAssociation = { readonly id: string; readonly isPrimary: boolean | null };

/** The record that an item of an association batch belongs to. */
export const AssociationsOwner = z.object({ from: z.object({ id: Id }) }).transform(({ from }) => from.id);

/** A page of a record's associations, at most 500. */
export const AssociationsPage = z.object({ to: Items, paging: Paging });

export const Token = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });

/** A record as a write returns it: with some of its properties, which are parsed one by one. */
export const RawRecord = z.object({
  id: Id,
  createdAt: CreatedAt,
  properties: z.record(z.string(), z.unknown()).catch({}),
});
export type RawRecord = z.output<typeof RawRecord>;
