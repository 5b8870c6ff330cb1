import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import { idOfItem } from '../../../connectors/reads/items.ts';
import { toAsciiUpperCase } from '../../kit/ascii.ts';
import { badInput } from '../../kit/errors.ts';
import type { Amount, Payment, Payments } from '../model.ts';
import type { ApiPayment } from './api.ts';
import { badResponse } from './error-reasons.ts';
import type { StripeSession } from './loaders.ts';
import { API_CANCELLATION_REASON, API_CAPTURE_METHOD, API_REFUND_REASON, toRefund } from './mapping.ts';

type Writes = Pick<Payments, 'createPayment' | 'capturePayment' | 'cancelPayment' | 'refundPayment'>;

/** Creates the payments subgraph's writes over Stripe. */
export const createWrites = (session: StripeSession, toPayment: (payment: ApiPayment) => Payment): Writes => {
  const { api, options } = session;
  return {
    createPayment: async ({ customerEmail, amount, description, paymentMethodId, captureMethod, idempotencyKey }) => {
      const account = await accountFor(customerEmail, idempotencyKey, session);
      const newPayment = {
        account,
        amount: amount.units,
        currency: amount.currency,
        description: description ?? undefined,
        paymentMethod: paymentMethodId ?? undefined,
        captureMethod: API_CAPTURE_METHOD[captureMethod],
      };
      const write = () => api.createPayment(newPayment, idempotencyKey, options);
      const payment = await withInvalidation({ account }, session, write, identity);
      return { payment: toPayment(payment), clientSecret: payment.client_secret };
    },

    capturePayment: async ({ paymentId, amount, idempotencyKey }) => {
      const units = await amountInUnits(amount, paymentId, session);
      const write = () => api.capturePayment(paymentId, units, idempotencyKey, options);
      return toPayment(await withInvalidation({ paymentId }, session, write, identity));
    },

    cancelPayment: async ({ paymentId, reason, idempotencyKey }) => {
      const write = () =>
        api.cancelPayment(paymentId, reason ? API_CANCELLATION_REASON[reason] : undefined, idempotencyKey, options);
      return toPayment(await withInvalidation({ paymentId }, session, write, identity));
    },

    refundPayment: async ({ paymentId, amount, reason, idempotencyKey }) => {
      const refundParams = {
        amount: await amountInUnits(amount, paymentId, session),
        reason: reason ? API_REFUND_REASON[reason] : undefined,
      };
      const write = () => api.refundPayment(paymentId, refundParams, idempotencyKey, options);
      const refund = await withInvalidation({ paymentId }, session, write, ({ payment_intent }) => payment_intent);
      const payment = refund.payment_intent ?? (await readRefunded(paymentId, session));
      return { refund: toRefund(refund, paymentId), payment: payment instanceof Error ? payment : toPayment(payment) };
    },
  };
};

/**
 * Returns an amount in Stripe's units after checking that its currency is the payment's, so that nobody refunds 10 KWD instead
 * of 10 JPY. Costs one read of the payment.
 */
const amountInUnits = async (
  amount: Amount | null | undefined,
  paymentId: string,
  { loaders }: StripeSession,
): Promise<number | undefined> => {
  if (!amount) return undefined;
  const payment = await loaders.payment.load(paymentId);
  if (!payment) {
    throw new UpstreamError('UPSTREAM_NOT_FOUND', 'payments', 'the payment does not exist');
  }
  if (payment.currency === null) {
    throw badResponse('GET /v1/payment_intents/{id}', 'no currency');
  }
  const currency = toAsciiUpperCase(payment.currency);
  if (currency !== amount.currency) throw badInput('input.amount.currency', `must be ${currency}, as the payment is`);
  return amount.units;
};

/** Returns the account for a new payment: the customer's oldest, so that a repeated request uses the same one. */
const accountFor = async (email: string, idempotencyKey: string, session: StripeSession): Promise<string> => {
  const { api, loaders, options, invalidate } = session;
  const [oldest] = (await loaders.accounts.load(email)) ?? [];
  if (oldest) return idOfItem('payments', oldest);
  try {
    return (await api.createAccount(email, `${idempotencyKey}:account`, options)).id;
  } finally {
    await invalidate({ accounts: [email], accountsNow: [email] });
  }
};

/** The objects that a write concerns, as far as known before its response. */
type WriteTarget = { readonly paymentId?: string; readonly account?: string };

/**
 * Runs a write of a payment and invalidates what it changed, even if it failed: it may have been carried out. If neither the
 * caller nor the response names the account, the lists of all accounts are invalidated.
 */
const withInvalidation = async <Response>(
  { paymentId, account }: WriteTarget,
  { invalidate }: StripeSession,
  write: () => Promise<Response>,
  paymentOf: (response: Response) => ApiPayment | null,
): Promise<Response> => {
  const ids = new Set(paymentId === undefined ? [] : [paymentId]);
  let accounts: readonly string[] | 'all' = [];
  const targetAccounts = account === undefined ? 'all' : [account];
  try {
    const response = await write();
    const payment = paymentOf(response);
    if (!payment) accounts = targetAccounts;
    else {
      ids.add(payment.id);
      if (payment.customer) accounts = [payment.customer.id];
    }
    return response;
  } catch (error) {
    if (mayHaveBeenCarriedOut(error)) accounts = targetAccounts;
    throw error;
  } finally {
    await invalidate({
      payment: [...ids],
      refunds: [...ids],
      paymentLists: 'all',
      paymentPages: accounts,
      paymentsBySearch: accounts,
    });
  }
};

const mayHaveBeenCarriedOut = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN') || isUpstreamError(error, 'UPSTREAM_CANCELLED');

const identity = (payment: ApiPayment): ApiPayment => payment;

/** Reads the refunded payment, for a refund whose response lacks it. Returns an Error if it cannot be read. */
const readRefunded = async (paymentId: string, { loaders }: StripeSession): Promise<ApiPayment | Error> => {
  try {
    const payment = await loaders.payment.load(paymentId);
    return payment ?? badResponse('POST /v1/refunds', 'an unknown payment');
  } catch (error) {
    // The refund succeeded, so a failed read of its payment must not fail it.
    if (error instanceof Error) return error;
    throw error;
  }
};
