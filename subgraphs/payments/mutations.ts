import { z } from 'zod';
import { isUpstreamError, UpstreamError } from '../../connectors/errors.ts';
import { idOfItem } from '../../connectors/reads/items.ts';
import { toAsciiUpperCase } from '../kit/ascii.ts';
import { badInput } from '../kit/errors.ts';
import { Currency, Email, PositiveDecimal, readInput, text } from '../kit/inputs.ts';
import type { MutationResolvers } from './generated.ts';
import type { Context } from './loaders.ts';
import type { ApiPayment } from './stripe/api.ts';
import { unusableOf } from './stripe/error-reasons.ts';
import { API_CANCELLATION_REASON, API_CAPTURE_METHOD, API_REFUND_REASON, toUnits } from './stripe/mapping.ts';
import { tags } from './stripe/tags.ts';

export const PaymentId = z.string().regex(/^pi_\w{1,250}$/, 'must be the id of a payment, pi_…');

// Stripe takes 255 characters; the rest is for keys that are derived from this one.
const IdempotencyKey = z
  .string()
  .min(1, 'must not be empty')
  .max(200, 'must have at most 200 characters')
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');

const MoneyInput = z.object({ amount: PositiveDecimal, currency: Currency }).transform((money, { addIssue }) => {
  const { units, problem } = toUnits(money);
  if (problem === undefined) return { ...money, units };
  addIssue({ code: 'custom', path: ['amount'], message: problem });
  return z.NEVER;
});

const CreatePayment = z.object({
  customerEmail: Email,
  amount: MoneyInput,
  description: text(500).nullish(),
  paymentMethodId: z
    .string()
    .regex(/^(pm|card|src)_\w+$/, 'must be the id of a payment method, pm_…')
    .nullish(),
  captureMethod: z.enum(['AUTOMATIC', 'MANUAL']),
  idempotencyKey: IdempotencyKey,
});

const ChangePayment = z.object({ paymentId: PaymentId, idempotencyKey: IdempotencyKey });
const CaptureOrRefundInput = ChangePayment.extend({ amount: MoneyInput.nullish() });

/**
 * A part of a payment as Stripe counts it. The currency only travels with the amount so that nobody gives back 10 KWD
 * where 10 JPY were meant; it costs one look at the payment.
 */
const amountInUnits = async (
  paymentId: string,
  amount: z.output<typeof MoneyInput> | null | undefined,
  { loaders }: Context,
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
const accountFor = async (email: string, idempotencyKey: string, context: Context): Promise<string> => {
  const { api, loaders, call, invalidate } = context;
  const [oldest] = (await loaders.accounts.load(email)) ?? [];
  if (oldest) return idOfItem('payments', oldest);
  try {
    return (await api.createAccount(email, `${idempotencyKey}:account`, call)).id;
  } finally {
    await invalidate([tags.accounts(email)]);
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
  { invalidate, loaders }: Context,
  write: () => Promise<Answer>,
  paymentOf: (answer: Answer) => ApiPayment | null,
): Promise<Answer> => {
  const changed = [tags.paymentLists];
  if (paymentId !== undefined) changed.push(tags.payment(paymentId));
  const lists = account === undefined ? tags.paymentsOfAll : tags.paymentsOf(account);
  try {
    const answer = await write();
    const payment = paymentOf(answer);
    if (!payment) changed.push(lists);
    else {
      changed.push(tags.payment(payment.id));
      if (payment.customer) changed.push(tags.paymentsOf(payment.customer.id));
    }
    return answer;
  } catch (error) {
    if (mayHaveBeenCarriedOut(error)) changed.push(lists);
    throw error;
  } finally {
    await invalidate(changed);
    loaders.clearAll();
  }
};

const mayHaveBeenCarriedOut = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN') || isUpstreamError(error, 'UPSTREAM_CANCELLED');

const identity = (payment: ApiPayment): ApiPayment => payment;

/** The payment that was just refunded, where the refund's own answer does not have it; an Error where it cannot be read. */
const readRefunded = async (paymentId: string, { loaders }: Context): Promise<ApiPayment | Error> => {
  try {
    const payment = await loaders.payment.load(paymentId);
    return payment ?? unusableOf('POST /v1/refunds', 'an unknown payment');
  } catch (error) {
    // The refund has been made; what cannot be read of its payment must not say otherwise.
    if (error instanceof Error) return error;
    throw error;
  }
};

export const mutations: MutationResolvers = {
  createPayment: async (_, args, context) => {
    const input = readInput(CreatePayment, args.input, 'input');
    const account = await accountFor(input.customerEmail, input.idempotencyKey, context);
    const newPayment = {
      account,
      amount: input.amount.units,
      currency: input.amount.currency,
      description: input.description ?? undefined,
      paymentMethod: input.paymentMethodId ?? undefined,
      captureMethod: API_CAPTURE_METHOD[input.captureMethod],
    };
    const write = () => context.api.createPayment(newPayment, input.idempotencyKey, context.call);
    const payment = await withInvalidation({ account }, context, write, identity);
    return { payment, clientSecret: payment.client_secret };
  },

  capturePayment: async (_, args, context) => {
    const { paymentId, amount, idempotencyKey } = readInput(CaptureOrRefundInput, args.input, 'input');
    const units = await amountInUnits(paymentId, amount, context);
    const write = () => context.api.capturePayment(paymentId, units, idempotencyKey, context.call);
    return { payment: await withInvalidation({ paymentId }, context, write, identity) };
  },

  cancelPayment: async (_, args, context) => {
    const { paymentId, idempotencyKey } = readInput(ChangePayment, args.input, 'input');
    const reason = args.input.reason ? API_CANCELLATION_REASON[args.input.reason] : undefined;
    const write = () => context.api.cancelPayment(paymentId, reason, idempotencyKey, context.call);
    return { payment: await withInvalidation({ paymentId }, context, write, identity) };
  },

  refundPayment: async (_, args, context) => {
    const { paymentId, amount, idempotencyKey } = readInput(CaptureOrRefundInput, args.input, 'input');
    const units = await amountInUnits(paymentId, amount, context);
    const reason = args.input.reason ? API_REFUND_REASON[args.input.reason] : undefined;
    const write = () => context.api.refundPayment(paymentId, { amount: units, reason }, idempotencyKey, context.call);
    const refund = await withInvalidation({ paymentId }, context, write, ({ payment_intent }) => payment_intent);
    return { refund, payment: refund.payment_intent ?? (await readRefunded(paymentId, context)) };
  },
};
