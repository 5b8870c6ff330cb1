import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import { idOfItem } from '../../../connectors/reads/items.ts';
import { toAsciiUpperCase } from '../../kit/ascii.ts';
import { badInput } from '../../kit/errors.ts';
import type { Amount, Payment, Payments } from '../model.ts';
import type { ApiPayment } from './api.ts';
import { unusableOf } from './error-reasons.ts';
import { API_CANCELLATION_REASON, API_CAPTURE_METHOD, API_REFUND_REASON, toRefund } from './mapping.ts';
import type { StripeSession } from './session.ts';

type Writes = Pick<Payments, 'createPayment' | 'capturePayment' | 'cancelPayment' | 'refundPayment'>;

/** What is written to Stripe. */
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
      const units = await unitsOf(amount, paymentId, session);
      const write = () => api.capturePayment(paymentId, units, idempotencyKey, options);
      return toPayment(await withInvalidation({ paymentId }, session, write, identity));
    },

    cancelPayment: async ({ paymentId, reason, idempotencyKey }) => {
      const write = () =>
        api.cancelPayment(paymentId, reason ? API_CANCELLATION_REASON[reason] : undefined, idempotencyKey, options);
      return toPayment(await withInvalidation({ paymentId }, session, write, identity));
    },

    refundPayment: async ({ paymentId, amount, reason, idempotencyKey }) => {
      const refundOf = {
        amount: await unitsOf(amount, paymentId, session),
        reason: reason ? API_REFUND_REASON[reason] : undefined,
      };
      const write = () => api.refundPayment(paymentId, refundOf, idempotencyKey, options);
      const refund = await withInvalidation({ paymentId }, session, write, ({ payment_intent }) => payment_intent);
      const payment = refund.payment_intent ?? (await readRefunded(paymentId, session));
      return { refund: toRefund(refund), payment: payment instanceof Error ? payment : toPayment(payment) };
    },
  };
};

/**
 * A part of a payment as Stripe counts it. The currency only travels with the amount so that nobody gives back 10 KWD
 * where 10 JPY were meant; it costs one look at the payment.
 */
const unitsOf = async (
  amount: Amount | null | undefined,
  paymentId: string,
  { loaders }: StripeSession,
): Promise<number | undefined> => {
  if (!amount) return undefined;
  const payment = await loaders.payment.load(paymentId);
  if (!payment) {
    throw new UpstreamError('UPSTREAM_NOT_FOUND', 'payments', 'there is no such payment');
  }
  if (payment.currency === null) {
    throw unusableOf('GET /v1/payment_intents/{id}', 'no currency');
  }
  const currency = toAsciiUpperCase(payment.currency);
  if (currency !== amount.currency) throw badInput('input.amount.currency', `must be ${currency}, as the payment is`);
  return amount.units;
};

/** The account that a payment of this person goes to: their oldest, so that a repeated request finds the same one. */
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

/** What a write is about, as far as that is known before it is answered. */
type Subject = { readonly paymentId?: string; readonly account?: string };

/**
 * Runs a write of a payment and invalidates what it has changed: also where it failed, since it may have been carried out.
 * Where neither the caller nor the answer names the account, all accounts' lists may have changed.
 */
const withInvalidation = async <Answer>(
  { paymentId, account }: Subject,
  { invalidate }: StripeSession,
  write: () => Promise<Answer>,
  paymentOf: (answer: Answer) => ApiPayment | null,
): Promise<Answer> => {
  const ids = new Set(paymentId === undefined ? [] : [paymentId]);
  let accounts: readonly string[] | 'all' = [];
  const subjectAccounts = account === undefined ? 'all' : [account];
  try {
    const answer = await write();
    const payment = paymentOf(answer);
    if (!payment) accounts = subjectAccounts;
    else {
      ids.add(payment.id);
      if (payment.customer) accounts = [payment.customer.id];
    }
    return answer;
  } catch (error) {
    if (mayHaveBeenCarriedOut(error)) accounts = subjectAccounts;
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

/** The payment that was just refunded, where the refund's own answer does not have it; an Error where it cannot be read. */
const readRefunded = async (paymentId: string, { loaders }: StripeSession): Promise<ApiPayment | Error> => {
  try {
    const payment = await loaders.payment.load(paymentId);
    return payment ?? unusableOf('POST /v1/refunds', 'an unknown payment');
  } catch (error) {
    // The refund has been made; what cannot be read of its payment must not say otherwise.
    if (error instanceof Error) return error;
    throw error;
  }
};
