import type Stripe from 'stripe';
import type { z } from 'zod';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { InvalidItem } from '../../../connectors/reads/items.ts';
import { readPages } from '../../../connectors/reads/paginate.ts';
import { operation } from '../../../connectors/reads/read.ts';
import { unusableResponse } from '../../../connectors/transports/parse.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import type { StripeClient } from './client.ts';
import { isMissing } from './error-reasons.ts';
import { type Accounts, groupAccounts, groupPayments, oldestFirst, type WithOwner } from './group-by-owner.ts';
import type { StripeOperation } from './operations.ts';
import {
  AccountOfPayment,
  ApiCreatedRefund,
  ApiInvoice,
  ApiNewAccount,
  ApiNewPayment,
  ApiPayment,
  ApiRefund,
  EmailOfAccount,
  listOf,
  StripeCustomer,
  searchResultOf,
  searchResultWithOwnerOf,
} from './wire-types.ts';

export type { ApiInvoice, ApiPayment, ApiRefund, StripeCustomer } from './wire-types.ts';

/** Maximum page size of a list or search. */
export const MAX_LIST = 100;

// Payments are always expanded in the same way, so that the request that finds a payment also returns its customer's
// address and its refunds.
const PAYMENT_PARTS = ['customer', 'latest_charge.refunds'];
const LISTED_PAYMENT_PARTS = PAYMENT_PARTS.map((part) => `data.${part}`);
const REFUNDED_PAYMENT_PARTS = PAYMENT_PARTS.map((part) => `payment_intent.${part}`);

export type PageOfAccount = { readonly account: string; readonly limit: number; readonly after?: string | undefined };

/** A page of one account's payments or invoices, newest first. */
export type AccountPage<Item> = { readonly data: readonly (Item | InvalidItem)[]; readonly has_more: boolean };

export type PaymentSearch = {
  readonly status?: ApiPayment['status'] | undefined;
  /** In seconds since 1970. */
  readonly createdFrom?: number | undefined;
  readonly createdBefore?: number | undefined;
};

/** The key of a page of all payments. */
export type PageOfPayments = {
  readonly search: PaymentSearch;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

export type NewPayment = {
  readonly account: string;
  readonly amount: number;
  readonly currency: string;
  readonly description?: string | undefined;
  readonly paymentMethod?: string | undefined;
  readonly captureMethod: 'automatic' | 'manual';
};

/**
 * Creates the client for Stripe's API. Amounts are in Stripe's units. Every function throws UpstreamError.
 * Source: https://docs.stripe.com/api
 */
export const createStripeApi = ({ subgraph, sendRequest, write }: StripeClient) => {
  const listPage = <Item extends z.ZodType>(
    name: StripeOperation,
    item: Item,
    options: RequestOptions,
    send: (sdk: Stripe) => Promise<unknown>,
  ) => sendRequest(name, listOf(item, name), options, send);

  /** Returns the id of the last item as the next page's cursor; undefined on the last page. */
  const nextOf = (
    { data, has_more }: { readonly data: readonly { readonly id: string | null }[]; readonly has_more: boolean },
    name: StripeOperation,
  ): string | undefined => {
    if (!has_more) return undefined;
    const last = data.findLast(({ id }) => id !== null)?.id;
    if (!last) throw unusableResponse({ subgraph, operation: name }, 'a page without an id to go on after');
    return last;
  };

  const nullIfMissing = async <T>(asked: Promise<T>): Promise<T | null> => {
    try {
      return await asked;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  };

  const pageOf = ({ limit, after }: Omit<PageOfAccount, 'account'>) => ({
    limit,
    ...(after !== undefined && { starting_after: after }),
  });

  const listPayments = operation(
    'GET /v1/payment_intents',
    (name) =>
      async (
        { search: { createdFrom: from, createdBefore: before }, page: { token, limit } }: PageOfPayments,
        options: RequestOptions,
      ): Promise<ProviderPage<ApiPayment | InvalidItem>> => {
        const list = await listPage(name, ApiPayment, options, (sdk) =>
          sdk.paymentIntents.list({
            ...pageOf({ limit, after: token }),
            ...((from !== undefined || before !== undefined) && {
              created: { ...(from !== undefined && { gte: from }), ...(before !== undefined && { lt: before }) },
            }),
            expand: LISTED_PAYMENT_PARTS,
          }),
        );
        return { items: list.data, next: nextOf(list, name) };
      },
  );

  const searchPayments = operation(
    'GET /v1/payment_intents/search',
    (name) =>
      async (
        { search: { status, createdFrom, createdBefore }, page: { token, limit } }: PageOfPayments,
        options: RequestOptions,
      ): Promise<ProviderPage<ApiPayment | InvalidItem>> => {
        const clauses = [
          ...(status === undefined ? [] : [`status:${quote(status)}`]),
          ...(createdFrom === undefined ? [] : [`created>=${createdFrom}`]),
          ...(createdBefore === undefined ? [] : [`created<${createdBefore}`]),
        ];
        const { data, has_more, next_page } = await sendRequest(
          name,
          searchResultOf(ApiPayment, name),
          options,
          (sdk) =>
            sdk.paymentIntents.search({
              query: clauses.join(' AND '),
              limit,
              ...(token !== undefined && { page: token }),
              expand: LISTED_PAYMENT_PARTS,
            }),
        );
        return { items: data, next: (has_more && next_page) || undefined };
      },
  );

  // Lists cannot filter by status.
  const requestFor = ({ search }: PageOfPayments) => (search.status === undefined ? listPayments : searchPayments);

  return {
    /**
     * Searches for the accounts of up to ten lower-case addresses, case-insensitively; oldest first. Accounts created less than a
     * minute ago may be missing, because the search index lags.
     */
    accountsByEmails: operation('GET /v1/customers/search', (name) =>
      groupAccounts(async (emails, options) => {
        const query = emails.map((email) => `email:${quote(email)}`).join(' OR ');
        const found: WithOwner<StripeCustomer>[] = [];
        const result = searchResultWithOwnerOf(StripeCustomer, EmailOfAccount, name);
        const askPage = async (page: string) => {
          const { data, has_more, next_page } = await sendRequest(name, result, options, (sdk) =>
            sdk.customers.search({ query, limit: MAX_LIST, ...(page && { page }) }),
          );
          found.push(...data);
          return (has_more && next_page) || undefined;
        };
        await readPages('', askPage, { subgraph, operation: name });
        return found;
      }),
    ),

    /** Lists the accounts with exactly this address, case-sensitively and without lag; oldest first, null without one. */
    accountsWithEmail: operation(
      'GET /v1/customers',
      (name) =>
        async (email: string, options: RequestOptions): Promise<Accounts | null> => {
          const { data } = await listPage(name, StripeCustomer, options, (sdk) =>
            sdk.customers.list({ email, limit: MAX_LIST }),
          );
          return data.length > 0 ? oldestFirst(data) : null;
        },
    ),

    payment: operation(
      'GET /v1/payment_intents/{id}',
      (name) => (id: string, options: RequestOptions) =>
        nullIfMissing(
          sendRequest(name, ApiPayment, options, (sdk) => sdk.paymentIntents.retrieve(id, { expand: PAYMENT_PARTS })),
        ),
    ),

    /** Lists a page of one account's payments, newest first. */
    paymentsOfAccount: operation(
      'GET /v1/payment_intents',
      (name) =>
        ({ account, ...page }: PageOfAccount, options: RequestOptions): Promise<AccountPage<ApiPayment>> =>
          listPage(name, ApiPayment, options, (sdk) =>
            sdk.paymentIntents.list({ customer: account, ...pageOf(page), expand: LISTED_PAYMENT_PARTS }),
          ),
    ),

    /** Searches for the payments of up to ten accounts, newest first. Payments of the last minute may be missing. */
    paymentsOfAccounts: operation(
      'GET /v1/payment_intents/search',
      (name) => async (accounts: readonly string[], options: RequestOptions) =>
        groupPayments(
          accounts,
          await sendRequest(name, searchResultWithOwnerOf(ApiPayment, AccountOfPayment, name), options, (sdk) =>
            sdk.paymentIntents.search({
              query: accounts.map((account) => `customer:${quote(account)}`).join(' OR '),
              limit: MAX_LIST,
              expand: LISTED_PAYMENT_PARTS,
            }),
          ),
        ),
    ),

    /** Reads a page of all payments: from the search if filtered by status, otherwise from the list. */
    payments: Object.assign((page: PageOfPayments, options: RequestOptions) => requestFor(page)(page, options), {
      operationOf: (page: PageOfPayments) => requestFor(page).operation,
    }),

    /** Lists all refunds of a payment, newest first. */
    refundsOfPayment: operation(
      'GET /v1/refunds',
      (name) =>
        async (payment: string, options: RequestOptions): Promise<readonly (ApiRefund | InvalidItem)[]> => {
          const refunds: (ApiRefund | InvalidItem)[] = [];
          const askPage = async (after: string) => {
            const list = await listPage(name, ApiRefund, options, (sdk) =>
              sdk.refunds.list({ payment_intent: payment, ...pageOf({ limit: MAX_LIST, after: after || undefined }) }),
            );
            refunds.push(...list.data);
            return nextOf(list, name);
          };
          await readPages('', askPage, { subgraph, operation: name });
          return refunds;
        },
    ),

    invoice: operation(
      'GET /v1/invoices/{id}',
      (name) => (id: string, options: RequestOptions) =>
        nullIfMissing(sendRequest(name, ApiInvoice, options, (sdk) => sdk.invoices.retrieve(id))),
    ),

    /** Lists a page of one account's invoices, newest first. */
    invoicesOfAccount: operation(
      'GET /v1/invoices',
      (name) =>
        ({ account, ...page }: PageOfAccount, options: RequestOptions): Promise<AccountPage<ApiInvoice>> =>
          listPage(name, ApiInvoice, options, (sdk) => sdk.invoices.list({ customer: account, ...pageOf(page) })),
    ),

    createAccount: (email: string, idempotencyKey: string, options: RequestOptions): Promise<{ readonly id: string }> =>
      write('POST /v1/customers', ApiNewAccount, options, (sdk) => sdk.customers.create({ email }, { idempotencyKey })),

    createPayment: (payment: NewPayment, idempotencyKey: string, options: RequestOptions): Promise<ApiNewPayment> =>
      write('POST /v1/payment_intents', ApiNewPayment, options, (sdk) =>
        sdk.paymentIntents.create(
          {
            customer: payment.account,
            amount: payment.amount,
            currency: toAsciiLowerCase(payment.currency),
            capture_method: payment.captureMethod,
            ...(payment.description && { description: payment.description }),
            ...(payment.paymentMethod && { payment_method: payment.paymentMethod, confirm: true }),
            // A payment that a server confirms has no page to redirect the customer back to.
            automatic_payment_methods: { enabled: true, ...(payment.paymentMethod && { allow_redirects: 'never' }) },
            expand: PAYMENT_PARTS,
          },
          { idempotencyKey },
        ),
      ),

    capturePayment: (id: string, amount: number | undefined, idempotencyKey: string, options: RequestOptions) =>
      write('POST /v1/payment_intents/{id}/capture', ApiPayment, options, (sdk) =>
        sdk.paymentIntents.capture(
          id,
          { ...(amount !== undefined && { amount_to_capture: amount }), expand: PAYMENT_PARTS },
          { idempotencyKey },
        ),
      ),

    cancelPayment: (
      id: string,
      reason: Stripe.PaymentIntentCancelParams.CancellationReason | undefined,
      idempotencyKey: string,
      options: RequestOptions,
    ) =>
      write('POST /v1/payment_intents/{id}/cancel', ApiPayment, options, (sdk) =>
        sdk.paymentIntents.cancel(
          id,
          { ...(reason && { cancellation_reason: reason }), expand: PAYMENT_PARTS },
          { idempotencyKey },
        ),
      ),

    refundPayment: (
      id: string,
      { amount, reason }: { amount?: number | undefined; reason?: Stripe.RefundCreateParams.Reason | undefined },
      idempotencyKey: string,
      options: RequestOptions,
    ): Promise<ApiCreatedRefund> =>
      write('POST /v1/refunds', ApiCreatedRefund, options, (sdk) =>
        sdk.refunds.create(
          {
            payment_intent: id,
            ...(amount !== undefined && { amount }),
            ...(reason && { reason }),
            expand: REFUNDED_PAYMENT_PARTS,
          },
          { idempotencyKey },
        ),
      ),
  };
};

export type StripeApi = ReturnType<typeof createStripeApi>;

/** Quotes a value for Stripe's search query language. */
const quote = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;
