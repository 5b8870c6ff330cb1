import Stripe from 'stripe';
import type { z } from 'zod';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { Unusable } from '../../../connectors/reads/items.ts';
import { readPages } from '../../../connectors/reads/paginate.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { parseResponse, unusableResponse } from '../../../connectors/transports/parse.ts';
import { createFetch } from '../../../connectors/transports/sdk-fetch.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import { reconcileByRepeating } from '../../kit/reconcile.ts';
import { isMissing, toUpstreamError } from './error-reasons.ts';
import {
  AccountOfPayment,
  ApiInvoice,
  ApiMadeRefund,
  ApiNewAccount,
  ApiNewPayment,
  ApiPayment,
  ApiRefund,
  EmailOfAccount,
  listOf,
  ownedResultOf,
  StripeCustomer,
  searchResultOf,
} from './wire-types.ts';

export type { ApiInvoice, ApiPayment, ApiRefund, StripeCustomer } from './wire-types.ts';

/** The calls that the graph makes, by the names that limits and reports know them by. */
export type StripeOperation =
  | 'GET /v1/customers'
  | 'GET /v1/customers/search'
  | 'POST /v1/customers'
  | 'GET /v1/payment_intents'
  | 'GET /v1/payment_intents/search'
  | 'GET /v1/payment_intents/{id}'
  | 'POST /v1/payment_intents'
  | 'POST /v1/payment_intents/{id}/capture'
  | 'POST /v1/payment_intents/{id}/cancel'
  | 'GET /v1/refunds'
  | 'POST /v1/refunds'
  | 'GET /v1/invoices'
  | 'GET /v1/invoices/{id}';

/** How many alternatives one search can hold. Undocumented; reported by users of the API. */
export const MAX_SEARCH_CLAUSES = 10;

/** What one list or search call can answer with. */
export const MAX_LIST = 100;

// One shape of a payment everywhere: with it every question about a payment, its customer's address and its refunds is
// answered by the call that found it.
const PAYMENT_PARTS = ['customer', 'latest_charge.refunds'];
const LISTED_PAYMENT_PARTS = PAYMENT_PARTS.map((part) => `data.${part}`);
const REFUNDED_PAYMENT_PARTS = PAYMENT_PARTS.map((part) => `payment_intent.${part}`);

export type PageOfAccount = { readonly account: string; readonly limit: number; readonly after?: string | undefined };

export type PaymentSearch = {
  readonly status?: ApiPayment['status'] | undefined;
  /** In seconds since 1970. */
  readonly createdFrom?: number | undefined;
  readonly createdBefore?: number | undefined;
};

export type NewPayment = {
  readonly account: string;
  readonly amount: number;
  readonly currency: string;
  readonly description?: string | undefined;
  readonly paymentMethod?: string | undefined;
  readonly captureMethod: 'automatic' | 'manual';
};

/** An object of a search for several customers: `owner` tells whose it is. */
type Owned<Item> = { readonly item: Item | Unusable; readonly owner: string | null };

export type StripeOptions = { readonly http: HttpConnector; readonly apiKey: string; readonly baseUrl: string };

/**
 * The calls of Stripe's API that the graph needs, over the official SDK; amounts are in the currency's units as Stripe
 * counts them. Every call throws UpstreamError. Source: https://docs.stripe.com/api
 */
export const createStripeApi = ({ http, apiKey, baseUrl }: StripeOptions) => {
  const { upstream } = http;
  const connector = createFetch(http);
  const { protocol, hostname, port } = new URL(baseUrl);
  const sdk = new Stripe(apiKey, {
    protocol: protocol === 'http:' ? 'http' : 'https',
    host: hostname,
    port: port || (protocol === 'http:' ? 80 : 443),
    httpClient: Stripe.createFetchHttpClient(connector.fetch),
    // Retries and deadlines are the connector's; the SDK's own wait neither for a 429 nor for `Retry-After`.
    maxNetworkRetries: 0,
    timeout: 2 ** 31 - 1,
    telemetry: false,
  });

  const ask = async <Schema extends z.ZodType>(
    operation: StripeOperation,
    schema: Schema,
    call: RequestOptions,
    work: () => Promise<unknown>,
  ): Promise<z.output<Schema>> => {
    const origin = { upstream, operation, write: operation.startsWith('POST') };
    try {
      const answer = await connector.as({ ...call, operation, write: origin.write }, work);
      return parseResponse(schema, answer, origin);
    } catch (error) {
      throw toUpstreamError(error, origin);
    }
  };

  /** A write under an idempotency key, which Stripe answers with the stored result when it comes again. */
  const write: typeof ask = (...request) => reconcileByRepeating(() => ask(...request));

  const listPage = <Item extends z.ZodType>(
    operation: StripeOperation,
    item: Item,
    call: RequestOptions,
    work: () => Promise<unknown>,
  ) => ask(operation, listOf(item, operation), call, work);

  /** The id after which a list goes on; undefined at its end. */
  const nextOf = (
    { data, has_more }: { readonly data: readonly { readonly id: string | null }[]; readonly has_more: boolean },
    operation: StripeOperation,
  ): string | undefined => {
    if (!has_more) return undefined;
    const last = data.findLast(({ id }) => id !== null)?.id;
    if (!last) throw unusableResponse({ upstream, operation }, 'a page without an id to go on after');
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

  return {
    /**
     * The accounts with any of up to ten addresses, compared without regard to case. One made less than a minute ago
     * may be missing: that is how fresh the search is. Each comes with its address, null where that cannot be read.
     */
    accountsByEmails: async (emails: readonly string[], call: RequestOptions): Promise<Owned<StripeCustomer>[]> => {
      const query = emails.map((email) => `email:${quote(email)}`).join(' OR ');
      const found: Owned<StripeCustomer>[] = [];
      const operation = 'GET /v1/customers/search';
      const result = ownedResultOf(StripeCustomer, EmailOfAccount, operation);
      const askPage = async (page: string) => {
        const { data, has_more, next_page } = await ask(operation, result, call, () =>
          sdk.customers.search({ query, limit: MAX_LIST, ...(page && { page }) }),
        );
        found.push(...data);
        return (has_more && next_page) || undefined;
      };
      await readPages('', askPage, { upstream, operation });
      return found;
    },

    /** The accounts with exactly this address, capitals included, up to the moment. */
    accountsWithEmail: async (email: string, call: RequestOptions): Promise<(StripeCustomer | Unusable)[]> =>
      (await listPage('GET /v1/customers', StripeCustomer, call, () => sdk.customers.list({ email, limit: MAX_LIST })))
        .data,

    payment: (id: string, call: RequestOptions): Promise<ApiPayment | null> =>
      nullIfMissing(
        ask('GET /v1/payment_intents/{id}', ApiPayment, call, () =>
          sdk.paymentIntents.retrieve(id, { expand: PAYMENT_PARTS }),
        ),
      ),

    /** A page of one account's payments, newest first. */
    paymentsOfAccount: ({ account, ...page }: PageOfAccount, call: RequestOptions) =>
      listPage('GET /v1/payment_intents', ApiPayment, call, () =>
        sdk.paymentIntents.list({ customer: account, ...pageOf(page), expand: LISTED_PAYMENT_PARTS }),
      ),

    /**
     * The payments of up to ten accounts, each with the id of its account, null where that cannot be read; `has_more` says
     * that they are not all here. One made less than a minute ago may be missing.
     */
    paymentsOfAccounts: (accounts: readonly string[], call: RequestOptions) => {
      const operation = 'GET /v1/payment_intents/search';
      return ask(operation, ownedResultOf(ApiPayment, AccountOfPayment, operation), call, () =>
        sdk.paymentIntents.search({
          query: accounts.map((account) => `customer:${quote(account)}`).join(' OR '),
          limit: MAX_LIST,
          expand: LISTED_PAYMENT_PARTS,
        }),
      );
    },

    /** A page of all payments. Searches where a state is asked for, which no list can filter by. */
    payments: async (
      { status, createdFrom: from, createdBefore: before }: PaymentSearch,
      { token, limit }: { token: string | undefined; limit: number },
      call: RequestOptions,
    ): Promise<ProviderPage<ApiPayment | Unusable>> => {
      if (status === undefined) {
        const operation = 'GET /v1/payment_intents';
        const list = await listPage(operation, ApiPayment, call, () =>
          sdk.paymentIntents.list({
            ...pageOf({ limit, after: token }),
            ...((from !== undefined || before !== undefined) && {
              created: { ...(from !== undefined && { gte: from }), ...(before !== undefined && { lt: before }) },
            }),
            expand: LISTED_PAYMENT_PARTS,
          }),
        );
        return { items: list.data, next: nextOf(list, operation) };
      }
      const clauses = [
        `status:${quote(status)}`,
        ...(from === undefined ? [] : [`created>=${from}`]),
        ...(before === undefined ? [] : [`created<${before}`]),
      ];
      const operation = 'GET /v1/payment_intents/search';
      const { data, has_more, next_page } = await ask(operation, searchResultOf(ApiPayment, operation), call, () =>
        sdk.paymentIntents.search({
          query: clauses.join(' AND '),
          limit,
          ...(token !== undefined && { page: token }),
          expand: LISTED_PAYMENT_PARTS,
        }),
      );
      return { items: data, next: (has_more && next_page) || undefined };
    },

    /** Every refund of a payment, newest first. */
    refundsOfPayment: async (payment: string, call: RequestOptions): Promise<(ApiRefund | Unusable)[]> => {
      const refunds: (ApiRefund | Unusable)[] = [];
      const operation = 'GET /v1/refunds';
      const askPage = async (after: string) => {
        const list = await listPage(operation, ApiRefund, call, () =>
          sdk.refunds.list({ payment_intent: payment, ...pageOf({ limit: MAX_LIST, after: after || undefined }) }),
        );
        refunds.push(...list.data);
        return nextOf(list, operation);
      };
      await readPages('', askPage, { upstream, operation });
      return refunds;
    },

    invoice: (id: string, call: RequestOptions): Promise<ApiInvoice | null> =>
      nullIfMissing(ask('GET /v1/invoices/{id}', ApiInvoice, call, () => sdk.invoices.retrieve(id))),

    /** A page of one account's invoices, newest first. */
    invoicesOfAccount: ({ account, ...page }: PageOfAccount, call: RequestOptions) =>
      listPage('GET /v1/invoices', ApiInvoice, call, () => sdk.invoices.list({ customer: account, ...pageOf(page) })),

    createAccount: (email: string, idempotencyKey: string, call: RequestOptions): Promise<{ readonly id: string }> =>
      write('POST /v1/customers', ApiNewAccount, call, () => sdk.customers.create({ email }, { idempotencyKey })),

    createPayment: (payment: NewPayment, idempotencyKey: string, call: RequestOptions): Promise<ApiNewPayment> =>
      write('POST /v1/payment_intents', ApiNewPayment, call, () =>
        sdk.paymentIntents.create(
          {
            customer: payment.account,
            amount: payment.amount,
            currency: toAsciiLowerCase(payment.currency),
            capture_method: payment.captureMethod,
            ...(payment.description && { description: payment.description }),
            ...(payment.paymentMethod && { payment_method: payment.paymentMethod, confirm: true }),
            // A payment that is confirmed by a server has no page to send the customer back to.
            automatic_payment_methods: { enabled: true, ...(payment.paymentMethod && { allow_redirects: 'never' }) },
            expand: PAYMENT_PARTS,
          },
          { idempotencyKey },
        ),
      ),

    capturePayment: (id: string, amount: number | undefined, idempotencyKey: string, call: RequestOptions) =>
      write('POST /v1/payment_intents/{id}/capture', ApiPayment, call, () =>
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
      call: RequestOptions,
    ) =>
      write('POST /v1/payment_intents/{id}/cancel', ApiPayment, call, () =>
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
      call: RequestOptions,
    ): Promise<ApiMadeRefund> =>
      write('POST /v1/refunds', ApiMadeRefund, call, () =>
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

/** Text as a value in Stripe's search language. */
const quote = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;
