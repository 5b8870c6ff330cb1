import type { ErrorLike } from '@apollo/client';
import { type FormEvent, useId, useState } from 'react';
import { failuresOf, inWords } from '../errors.ts';
import type { DealLineFragment } from '../generated/graphql.ts';
import { useSetStockMutation } from '../generated/hooks.ts';
import { showToast } from '../toasts/store.ts';
import { StockBadge } from './stock-badge.tsx';

type Product = NonNullable<DealLineFragment['product']>;

/** The stock of a product, with a form to set it. The update is optimistic; if it fails, the form opens again. */
export const StockLevel = ({ product, onRetry }: { product: Product; onRetry: () => void }) => {
  const [isOpen, setOpen] = useState(false);
  const [wasOpen, setWasOpen] = useState(false);
  /** The quantity that could not be set. */
  const [draft, setDraft] = useState<number>();
  const [setStock, { loading, error, reset }] = useSetStockMutation();
  const { sku, stock } = product;
  const open = (value: boolean) => {
    setOpen(value);
    setWasOpen(true);
  };
  const save = async (quantity: number): Promise<void> => {
    open(false);
    const inStock = quantity > 0;
    const result = await setStock({
      variables: { input: { sku, quantity, inStock } },
      errorPolicy: 'all',
      optimisticResponse: toOptimistic(sku, { quantity, inStock, backorders: 0 }),
    });
    if (result.data?.setStock) {
      setDraft(undefined);
      showToast('success', `The stock of ${sku} is now ${quantity}.`);
      return;
    }
    const [failure] = failuresOf(result.error);
    showToast('failure', `The stock of ${sku} was not set. ${failure ? inWords(failure) : ''}`);
    setDraft(quantity);
    open(true);
  };
  const cancel = () => {
    reset();
    setDraft(undefined);
    open(false);
  };
  if (!stock) {
    return (
      <button type="button" className="link" onClick={onRetry} aria-label={`The stock of ${sku} is unknown. Try again`}>
        Unknown ⟳
      </button>
    );
  }
  if (isOpen) {
    const quantity = draft ?? stock.quantity;
    return <StockForm sku={sku} quantity={quantity} error={error} onSave={save} onCancel={cancel} />;
  }
  return (
    <span className="stock">
      <StockBadge stock={stock} />
      <button
        type="button"
        onClick={() => open(true)}
        disabled={loading}
        aria-label={`Set the stock of ${sku}`}
        // biome-ignore lint/a11y/noAutofocus: it replaces the form, which had the focus.
        autoFocus={wasOpen}
      >
        Set
      </button>
    </span>
  );
};

type FormProps = {
  sku: string;
  quantity: number;
  /** The error of the last attempt. */
  error: ErrorLike | undefined;
  onSave: (quantity: number) => Promise<void>;
  onCancel: () => void;
};

const StockForm = ({ sku, quantity, error, onSave, onCancel }: FormProps) => {
  const id = useId();
  const [typed, setTyped] = useState(String(quantity));
  const wanted = Number(typed.replace(',', '.'));
  const isRight = typed.trim() !== '' && wanted >= 0 && wanted < 100_000_000;
  const [failure] = failuresOf(error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isRight) void onSave(wanted);
  };
  return (
    <form className="stock" onSubmit={submit}>
      <label htmlFor={id} className="hidden">
        In stock of {sku}
      </label>
      <input
        id={id}
        inputMode="decimal"
        size={6}
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
        aria-invalid={!isRight}
        // biome-ignore lint/a11y/noAutofocus: it replaces the button, which had the focus.
        autoFocus
      />
      <button type="submit" disabled={!isRight}>
        Save
      </button>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
      {failure && <small className="wrong">Not set. {inWords(failure)}</small>}
    </form>
  );
};

/** Creates the optimistic response. */
const toOptimistic = (sku: string, stock: NonNullable<Product['stock']>) => ({
  setStock: {
    __typename: 'SetStockPayload',
    product: { __typename: 'Product', sku, stock: { __typename: 'Stock', ...stock } },
  },
});
