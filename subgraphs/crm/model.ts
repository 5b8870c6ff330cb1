import type { z } from 'zod';
import type { Connection, PagedList } from '../kit/connection.ts';
import type { DealStatus, ExternalId, LifecycleStage } from './generated.ts';

/*
 * The crm subgraph's model of a CRM, independent of the provider.
 *
 * A field of a record that was just written may be an Error: the write was carried out, but the field could not be read
 * afterwards.
 */

/** A decimal in major units, with its ISO 4217 currency in upper case. */
export type Amount = { readonly amount: string; readonly currency: string };

/** A person. */
export type Customer = {
  readonly id: string;
  /** In lower case. */
  readonly email: string | null | Error;
  readonly firstName: string | null | Error;
  readonly lastName: string | null | Error;
  readonly phone: string | null | Error;
  readonly lifecycleStage: LifecycleStage | null | Error;
  readonly createdAt: string;
  readonly externalIds: readonly ExternalId[];
};

/** A company that customers belong to. */
export type Company = {
  readonly id: string;
  readonly name: string | null;
  readonly domain: string | null;
  readonly externalIds: readonly ExternalId[];
};

/** A sale, open or closed. */
export type Deal = {
  readonly id: string;
  readonly name: string | null | Error;
  /** The id of the stage in its pipeline. */
  readonly stage: string | null | Error;
  /** Null if unknown. */
  readonly status: DealStatus | null | Error;
  readonly amount: Amount | null | Error;
  readonly closeDate: string | null | Error;
  readonly createdAt: string;
  readonly externalIds: readonly ExternalId[];
};

/** A line item of a deal. */
export type LineItem = {
  readonly id: string;
  readonly name: string | null;
  /** Null for free text. */
  readonly sku: string | null;
  readonly quantity: number | null;
  readonly unitPrice: Amount | null;
  readonly amount: Amount | null;
};

/** A lifecycle stage that can be set or filtered by. OTHER stands for several stages, so it cannot. */
export type SingleLifecycleStage = Exclude<LifecycleStage, 'OTHER'>;

/** Filter for customers. All set conditions must hold. */
export type CustomerFilter = {
  readonly lifecycleStage?: SingleLifecycleStage | null | undefined;
  readonly text?: string | null | undefined;
};

/** Filter for deals. All set conditions must hold. */
export type DealFilter = {
  readonly stage?: string | null | undefined;
  readonly status?: DealStatus | null | undefined;
  readonly text?: string | null | undefined;
};

/** A page of a list: its size and the cursor before it. */
export type Page = Pick<PagedList, 'first' | 'after'>;

/** Changes of a customer. Undefined leaves a field unchanged, null clears it. */
export type CustomerUpdate = {
  /** In lower case. */
  readonly email?: string | null | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly phone?: string | null | undefined;
  readonly lifecycleStage?: SingleLifecycleStage | null | undefined;
};

/** Input for creating a customer. */
export type NewCustomer = CustomerUpdate & { readonly email: string; readonly companyId?: string | null | undefined };

/** Changes of a deal. Undefined leaves a field unchanged, null clears it. */
export type DealUpdate = {
  readonly name?: string | null | undefined;
  readonly stage?: string | null | undefined;
  /** A decimal in major units of the deal's own currency. */
  readonly amount?: string | null | undefined;
  /** ISO 8601, in UTC. */
  readonly closeDate?: string | null | undefined;
};

/** Schema of ids in inputs, which depends on the CRM. */
export type IdSchema = z.ZodType<string>;

/**
 * A CRM, for one client request. Everything throws UpstreamError, or BAD_USER_INPUT for a cursor of another list. A missing
 * record is null; in a list, an invalid record is an Error.
 *
 * A write that throws UPSTREAM_OUTCOME_UNKNOWN may have been carried out; one that throws another error has not.
 */
export type Crm = {
  readonly customer: (id: string) => Promise<Customer | null>;
  /** Returns the customer with an address, given in lower case. */
  readonly customerByEmail: (email: string) => Promise<Customer | null>;
  /** In creation order. */
  readonly customers: (filter: CustomerFilter, page: Page) => Promise<Connection<Customer>>;
  readonly company: (id: string) => Promise<Company | null>;
  readonly deal: (id: string) => Promise<Deal | null>;
  /** In creation order. */
  readonly deals: (filter: DealFilter, page: Page) => Promise<Connection<Deal>>;
  /** The customer's company; the primary one if there are several. */
  readonly companyOfCustomer: (id: string) => Promise<Company | null>;
  /** Newest first. */
  readonly dealsOfCustomer: (id: string, page: Page) => Promise<Connection<Deal>>;
  /** The deal's company; the primary one if there are several. */
  readonly companyOfDeal: (id: string) => Promise<Company | null>;
  readonly customersOfDeal: (id: string) => Promise<readonly (Customer | Error)[]>;
  readonly lineItemsOfDeal: (id: string) => Promise<readonly (LineItem | Error)[]>;
  /** Rejected with the reason ALREADY_EXISTS if the address is taken. */
  readonly createCustomer: (customer: NewCustomer) => Promise<Customer>;
  readonly updateCustomer: (id: string, update: CustomerUpdate) => Promise<Customer>;
  readonly updateDeal: (id: string, update: DealUpdate) => Promise<Deal>;
};

/** Messages to subscribers: a record, or one of its associations, has changed. */
export type CustomerChanged = { readonly topic: 'customerChanged'; readonly id: string };
export type DealChanged = { readonly topic: 'dealChanged'; readonly id: string };
export type CrmMessage = CustomerChanged | DealChanged;

/** The context of the resolvers. */
export type Context = { readonly crm: Crm };
