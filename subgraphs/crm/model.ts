import type { z } from 'zod';
import type { Connection, PagedList } from '../kit/connection.ts';
import type { DealStatus, ExternalId, LifecycleStage } from './generated.ts';

/*
 * What the crm subgraph knows of a CRM, whichever it is.
 *
 * A field of a record that was just written may be an Error: the write has been carried out, and this field could not be read
 * afterwards.
 */

/** A decimal in major units with its currency, in capitals. */
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

/** Something sold, or about to be. */
export type Deal = {
  readonly id: string;
  readonly name: string | null | Error;
  /** By its id in the pipeline. */
  readonly stage: string | null | Error;
  /** Null where the CRM does not say. */
  readonly status: DealStatus | null | Error;
  readonly amount: Amount | null | Error;
  readonly closeDate: string | null | Error;
  readonly createdAt: string;
  readonly externalIds: readonly ExternalId[];
};

/** One line of what a deal sells. */
export type LineItem = {
  readonly id: string;
  readonly name: string | null;
  /** Null for a line of free text. */
  readonly sku: string | null;
  readonly quantity: number | null;
  readonly unitPrice: Amount | null;
  readonly amount: Amount | null;
};

/** A stage that can be set or looked for. OTHER is many stages and so none. */
export type SingleLifecycleStage = Exclude<LifecycleStage, 'OTHER'>;

/** Which customers to list. All that is set has to hold. */
export type CustomerFilter = {
  readonly lifecycleStage?: SingleLifecycleStage | null | undefined;
  readonly text?: string | null | undefined;
};

/** Which deals to list. All that is set has to hold. */
export type DealFilter = {
  readonly stage?: string | null | undefined;
  readonly status?: DealStatus | null | undefined;
  readonly text?: string | null | undefined;
};

/** Which page of a list: how many, and after which cursor. */
export type Page = Pick<PagedList, 'first' | 'after'>;

/** What to set of a customer. What is left out stays; null clears. */
export type CustomerUpdate = {
  /** In lower case. */
  readonly email?: string | null | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly phone?: string | null | undefined;
  readonly lifecycleStage?: SingleLifecycleStage | null | undefined;
};

/** A customer to enter. */
export type NewCustomer = CustomerUpdate & { readonly email: string; readonly companyId?: string | null | undefined };

/** What to set of a deal. What is left out stays; null clears. */
export type DealUpdate = {
  readonly name?: string | null | undefined;
  readonly stage?: string | null | undefined;
  /** A decimal in major units of the deal's own currency. */
  readonly amount?: string | null | undefined;
  /** ISO 8601, in UTC. */
  readonly closeDate?: string | null | undefined;
};

/** Checks the ids in inputs: what an id looks like is the CRM's own. */
export type IdSchema = z.ZodType<string>;

/**
 * A CRM, for one client request. Everything throws UpstreamError, and BAD_USER_INPUT for a cursor of another list. A record is
 * null where there is none; in a list, one that cannot be read is an Error.
 *
 * A write that throws UPSTREAM_OUTCOME_UNKNOWN may have been carried out; with any other error it has not.
 */
export type Crm = {
  readonly customer: (id: string) => Promise<Customer | null>;
  /** By address in lower case. */
  readonly customerByEmail: (email: string) => Promise<Customer | null>;
  /** In the order of entry. */
  readonly customers: (filter: CustomerFilter, page: Page) => Promise<Connection<Customer>>;
  readonly company: (id: string) => Promise<Company | null>;
  readonly deal: (id: string) => Promise<Deal | null>;
  /** In the order of entry. */
  readonly deals: (filter: DealFilter, page: Page) => Promise<Connection<Deal>>;
  /** The company that the customer belongs to; the primary one where there are several. */
  readonly companyOfCustomer: (id: string) => Promise<Company | null>;
  /** Newest first. */
  readonly dealsOfCustomer: (id: string, page: Page) => Promise<Connection<Deal>>;
  /** The company that buys; the primary one where there are several. */
  readonly companyOfDeal: (id: string) => Promise<Company | null>;
  readonly customersOfDeal: (id: string) => Promise<readonly (Customer | Error)[]>;
  readonly lineItemsOfDeal: (id: string) => Promise<readonly (LineItem | Error)[]>;
  /** Rejected with the reason ALREADY_EXISTS where the address is taken. */
  readonly createCustomer: (customer: NewCustomer) => Promise<Customer>;
  readonly updateCustomer: (id: string, update: CustomerUpdate) => Promise<Customer>;
  readonly updateDeal: (id: string, update: DealUpdate) => Promise<Deal>;
};

/** The context of the resolvers. */
export type Context = { readonly crm: Crm };
