import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { failuresOf, inWords, isDefinite } from '../errors.ts';
import type { PaymentRowFragment, RefundPaymentMutation, RefundReasonInput } from '../generated/graphql.ts';
import { useRefundPaymentMutation } from '../generated/hooks.ts';
import { type Amount, add, formatMoney, isPositive, readAmount, subtract } from '../money.ts';
import { showToast, toastPlace } from '../toasts/store.ts';
import { Toasts } from '../toasts/toasts.tsx';
import { newKey } from './key.ts';

const REASONS: Readonly<Record<RefundReasonInput, string>> = {
  REQUESTED_BY_CUSTOMER: 'The customer asked for it',
  DUPLICATE: 'Paid twice',
  FRAUDULENT: 'Fraudulent',
};

type Props = {
  payment: PaymentRowFragment;
  /** The amount that can be refunded. */
  left: Amount;
  /** Receives whether the page may be out of date. */
  onClose: (isUncertain: boolean) => void;
};

/**
 * Refunds a payment, in full or in part. The page is updated optimistically and restored if the refund fails. Retries
 * within one dialog have the same idempotency key, so that they refund only once.
 */
export const RefundDialog = ({ payment, left: initial, onClose }: Props) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const [left] = useState(initial.amount);
  /** Refunded, but the response has no payment. */
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
  // It may have been carried out, so changing it now could refund twice.
  const isLocked = loading || (failure !== undefined && !isDefinite(failure));

  useEffect(() => {
    dialog.current?.showModal();
    toastPlace('dialog');
    return () => {
      toastPlace('page');
    };
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!amount || isTooMuch) return;
    // A different amount or reason is another refund and needs a new key.
    const of = `${amount} ${reason}`;
    const key = attempt.of === '' || attempt.of === of ? attempt.key : newKey();
    setAttempt({ key, of });
    const result = await refund({
      variables: {
        input: { paymentId: payment.id, idempotencyKey: key, amount: { amount, currency }, reason },
      },
      errorPolicy: 'all',
      optimisticResponse: toOptimistic(payment, { amount, currency }),
    });
    const done = result.data?.refundPayment;
    isOutdated.current = done?.payment === null;
    if (done) dialog.current?.close();
    // The dialog may have been closed while the refund was running.
    const [cause] = failuresOf(result.error);
    if (done) showToast(...toOutcome(done.refund));
    else showToast('failure', `The refund was not confirmed. ${cause ? inWords(cause) : ''}`);
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
          {!amount && 'Enter an amount above zero, such as 12.50.'}
          {isTooMuch && `At most ${formatMoney({ amount: left, currency })}.`}
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
        {failure && !loading && <p className="notice missing">Not confirmed. {inWords(failure)}</p>}
        <div className="line buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={loading || !amount || isTooMuch}>
            {loading ? 'Refunding…' : failure ? 'Try again' : 'Refund'}
          </button>
        </div>
      </form>
      <Toasts place="dialog" />
    </dialog>
  );
};

type Refund = NonNullable<RefundPaymentMutation['refundPayment']>['refund'];

/** Returns the toast for the result of a refund. */
const toOutcome = ({ amount, status }: Refund): Parameters<typeof showToast> => {
  const money = formatMoney(amount);
  switch (status) {
    case 'FAILED':
      return ['failure', `The bank has refused the refund of ${money}.`];
    case 'CANCELED':
      return ['failure', `The refund of ${money} was canceled.`];
    case 'SUCCEEDED':
      return ['success', `${money} was refunded.`];
    default:
      return ['success', `The refund of ${money} is on its way.`];
  }
};

/** Creates the optimistic response. */
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
