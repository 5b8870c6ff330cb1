import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { failuresOf, inWords, isDefinite } from '../errors.ts';
import type { PaymentRowFragment, RefundReasonInput } from '../generated/graphql.ts';
import { useRefundPaymentMutation } from '../generated/hooks.ts';
import { type Amount, add, formatMoney, isPositive, readAmount, subtract } from '../money.ts';
import { newKey } from './key.ts';

const REASONS: Readonly<Record<RefundReasonInput, string>> = {
  REQUESTED_BY_CUSTOMER: 'The customer asked for it',
  DUPLICATE: 'Paid twice',
  FRAUDULENT: 'Not the customer’s own doing',
};

type Props = {
  payment: PaymentRowFragment;
  /** How much can be given back. */
  left: Amount;
  /** Told whether what is shown may not be what is. */
  onClose: (isUncertain: boolean) => void;
};

/**
 * Gives a payment back, in whole or in part. What is shown changes at once, and changes back where the refund fails. One
 * opened dialog is one attempt: asked again, it is still the same refund.
 */
export const RefundDialog = ({ payment, left: initial, onClose }: Props) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const [left] = useState(initial.amount);
  /** It was given back, and the payment as it is now did not come along. */
  const isOutdated = useRef(false);
  const [typed, setTyped] = useState<string>(left);
  const [reason, setReason] = useState<RefundReasonInput>('REQUESTED_BY_CUSTOMER');
  const [attempt, setAttempt] = useState(() => ({ key: newKey(), of: '' }));
  const [refund, { loading, error }] = useRefundPaymentMutation();
  const ids = { title: useId(), amount: useId(), reason: useId(), wrong: useId() };
  const { currency } = initial;
  const amount = readAmount(typed);
  const isTooMuch = amount !== undefined && isPositive(subtract(amount, left));
  const [failure] = failuresOf(error);
  // It may have been carried out: changing it now could give back twice.
  const isLocked = loading || (failure !== undefined && !isDefinite(failure));

  useEffect(() => dialog.current?.showModal(), []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!amount || isTooMuch) return;
    // A key means one refund: another amount or reason is another one.
    const of = `${amount} ${reason}`;
    const key = attempt.of === '' || attempt.of === of ? attempt.key : newKey();
    setAttempt({ key, of });
    const { data } = await refund({
      variables: {
        input: { paymentId: payment.id, idempotencyKey: key, amount: { amount, currency }, reason },
      },
      errorPolicy: 'all',
      optimisticResponse: toOptimistic(payment, { amount, currency }),
    });
    isOutdated.current = data?.refundPayment?.payment === null;
    if (data?.refundPayment) dialog.current?.close();
  };

  return (
    <dialog ref={dialog} aria-labelledby={ids.title} onClose={() => onClose(isLocked || isOutdated.current)}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id={ids.title}>Refund {formatMoney({ amount: left, currency })}</h2>
        <label htmlFor={ids.amount}>Amount in {currency}</label>
        <input
          id={ids.amount}
          inputMode="decimal"
          value={typed}
          onChange={({ target }) => setTyped(target.value)}
          readOnly={isLocked}
          aria-invalid={!amount || isTooMuch}
          aria-describedby={ids.wrong}
        />
        <p id={ids.wrong} className="wrong">
          {!amount && 'An amount above zero, such as 12.50.'}
          {isTooMuch && `Not more than ${formatMoney({ amount: left, currency })}.`}
        </p>
        <label htmlFor={ids.reason}>Why</label>
        <select
          id={ids.reason}
          value={reason}
          disabled={isLocked}
          onChange={({ target }) => setReason(target.value as RefundReasonInput)}
        >
          {Object.entries(REASONS).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
        {failure && !loading && (
          <p role="alert" className="notice missing">
            The refund was not confirmed. {inWords(failure)}
          </p>
        )}
        <div className="line end">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={loading || !amount || isTooMuch}>
            {loading ? 'Refunding…' : failure ? 'Try again' : 'Refund'}
          </button>
        </div>
      </form>
    </dialog>
  );
};

/** The payment as it will be, if all goes well. */
const toOptimistic = (payment: PaymentRowFragment, { amount, currency }: Amount) => {
  const refund = {
    __typename: 'Refund' as const,
    id: 'new',
    status: 'PENDING' as const,
    createdAt: new Date().toISOString() as PaymentRowFragment['createdAt'],
    amount: { __typename: 'Money' as const, amount, currency },
  };
  return {
    refundPayment: {
      __typename: 'RefundPaymentPayload' as const,
      refund,
      payment: {
        ...payment,
        amountRefunded: payment.amountRefunded && {
          ...payment.amountRefunded,
          amount: add(payment.amountRefunded.amount, amount),
          minorUnits: null,
        },
        refunds: [refund, ...(payment.refunds ?? [])],
      },
    },
  };
};
