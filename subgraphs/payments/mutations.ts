import { z } from 'zod';
import { Email, readInput, text } from '../kit/inputs.ts';
import type { MutationResolvers } from './generated.ts';
import type { PaymentInputs } from './model.ts';

/** Creates the mutations' resolvers. The schemas of inputs depend on the payment system. */
export const createMutations = ({
  paymentId,
  paymentMethodId,
  idempotencyKey,
  amount,
}: PaymentInputs): MutationResolvers => {
  const CreatePayment = z.object({
    customerEmail: Email,
    amount,
    description: text(500).nullish(),
    paymentMethodId: paymentMethodId.nullish(),
    captureMethod: z.enum(['AUTOMATIC', 'MANUAL']),
    idempotencyKey,
  });
  const ChangePayment = z.object({ paymentId, idempotencyKey });
  const CaptureOrRefund = ChangePayment.extend({ amount: amount.nullish() });

  return {
    createPayment: (_, args, { payments }) => payments.createPayment(readInput(CreatePayment, args.input, 'input')),

    capturePayment: async (_, args, { payments }) => ({
      payment: await payments.capturePayment(readInput(CaptureOrRefund, args.input, 'input')),
    }),

    cancelPayment: async (_, args, { payments }) => {
      const { reason } = args.input;
      return { payment: await payments.cancelPayment({ ...readInput(ChangePayment, args.input, 'input'), reason }) };
    },

    refundPayment: (_, args, { payments }) => {
      const { reason } = args.input;
      return payments.refundPayment({ ...readInput(CaptureOrRefund, args.input, 'input'), reason });
    },
  };
};
