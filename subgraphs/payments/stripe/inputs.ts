import { z } from 'zod';
import { Currency, PositiveDecimal } from '../../kit/inputs.ts';
import type { PaymentInputs } from '../model.ts';
import { toUnits } from './amounts.ts';

/** The schemas of inputs for Stripe. */
export const inputs: PaymentInputs = {
  paymentId: z.string().regex(/^pi_\w{1,250}$/, 'must be the id of a payment, pi_…'),
  invoiceId: z.string().regex(/^in_\w{1,250}$/, 'must be the id of an invoice, in_…'),
  paymentMethodId: z.string().regex(/^(pm|card|src)_\w+$/, 'must be the id of a payment method, pm_…'),
  // Stripe allows 255 characters; the rest is reserved for keys derived from this one.
  idempotencyKey: z
    .string()
    .min(1, 'must not be empty')
    .max(200, 'must have at most 200 characters')
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces'),
  amount: z.object({ amount: PositiveDecimal, currency: Currency }).transform((money, { addIssue }) => {
    const { units, problem } = toUnits(money);
    if (problem === undefined) return { ...money, units };
    addIssue({ code: 'custom', path: ['amount'], message: problem });
    return z.NEVER;
  }),
};
