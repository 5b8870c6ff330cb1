import { UpstreamError } from '../../connectors/errors.ts';
import type { FeedEvent } from '../../events/feed.ts';
import { Email, readInput } from '../kit/inputs.ts';
import { subscribeTo } from '../kit/subscribe-to.ts';
import type { SubscriptionResolvers } from './generated.ts';
import type { Context, Payment, PaymentChanged, PaymentInputs, RefundCreated } from './model.ts';

/** Reads the address of a filter, in lower case. */
const readEmail = (email: string | null | undefined): string | undefined =>
  typeof email === 'string' ? readInput(Email, email, 'customerEmail') : undefined;

/** Whether a payment is one of all these customers: of the filter's, and of the one to whose data the subscriber is confined. */
const isOf = (payment: Payment | null, emails: readonly (string | undefined)[]): boolean =>
  payment !== null && emails.every((email) => email === undefined || payment.customer?.email === email);

/** Returns what an event is about. Throws UPSTREAM_NOT_FOUND if there is no such thing: nothing is deleted here. */
const found = async <Value>(value: Promise<Value> | Value): Promise<NonNullable<Value>> => {
  const known = await value;
  if (known === null || known === undefined) {
    throw new UpstreamError('UPSTREAM_NOT_FOUND', 'payments', 'the object of an event does not exist');
  }
  return known;
};

/** Creates the resolvers of subscriptions. */
export const createSubscriptions = (inputs: PaymentInputs): SubscriptionResolvers => ({
  paymentChanged: {
    subscribe: (_, args, context) => {
      const id = typeof args.id === 'string' ? readInput(inputs.paymentId, args.id, 'id') : undefined;
      const email = readEmail(args.customerEmail);
      const { status } = args;
      return subscribeTo<Context, PaymentChanged>(
        context,
        'paymentChanged',
        async (message, { payments }, customerEmail) => {
          if (id !== undefined && message.id !== id) return false;
          if (!email && !status && !customerEmail) return true;
          const payment = await payments.payment(message.id);
          return isOf(payment, [email, customerEmail]) && (!status || payment?.status === status);
        },
      );
    },
    resolve: ({ message }: FeedEvent<PaymentChanged>, _: unknown, { payments }: Context) =>
      payments.payment(message.id),
  },
  refundCreated: {
    subscribe: (_, args, context) => {
      const paymentId =
        typeof args.paymentId === 'string' ? readInput(inputs.paymentId, args.paymentId, 'paymentId') : undefined;
      const email = readEmail(args.customerEmail);
      return subscribeTo<Context, RefundCreated>(
        context,
        'refundCreated',
        async (message, { payments }, customerEmail) => {
          if (paymentId !== undefined && message.paymentId !== paymentId) return false;
          if (!email && !customerEmail) return true;
          return isOf(await payments.payment(message.paymentId), [email, customerEmail]);
        },
      );
    },
    resolve: async ({ message }: FeedEvent<RefundCreated>, _: unknown, { payments }: Context) => {
      const payment = await found(payments.payment(message.paymentId));
      const refunds = await payment.refunds();
      return found(refunds.find((refund) => !(refund instanceof Error) && refund.id === message.id));
    },
  },
});
