import type { ErrorLike } from '@apollo/client';
import { type FormEvent, useId, useState } from 'react';
import { failuresOf, inWords } from '../errors.ts';
import type { DealLineFragment } from '../generated/graphql.ts';
import { useSetStockMutation } from '../generated/hooks.ts';

type Product = NonNullable<DealLineFragment['product']>;

/** What the shop has of something, and a way to set it: shown at once, and asked for again where it could not be set. */
export const StockLevel = ({ product, onRetry }: { product: Product; onRetry: () => void }) => {
  const [isOpen, setOpen] = useState(false);
  const [wasOpen, setWasOpen] = useState(false);
  /** What was tried and could not be set. */
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
    const { data } = await setStock({
      variables: { input: { sku, quantity, inStock } },
      errorPolicy: 'all',
      optimisticResponse: toOptimistic(sku, { quantity, inStock, backorders: 0 }),
    });
    setDraft(data?.setStock ? undefined : quantity);
    if (!data?.setStock) open(true);
  };
  const cancel = () => {
    reset();
    setDraft(undefined);
    open(false);
  };
  if (!stock) {
    return (
      <button type="button" onClick={onRetry} aria-label={`Stock of ${sku} is not known. Try again`}>
        Not known ⟳
      </button>
    );
  }
  if (isOpen) {
    const quantity = draft ?? stock.quantity;
    return <StockForm sku={sku} quantity={quantity} error={error} onSave={save} onCancel={cancel} />;
  }
  return (
    <span className="stock">
      <span className={stock.inStock ? 'badge good' : 'badge bad'}>
        {stock.inStock ? stock.quantity : `${stock.quantity}, not sold`}
      </span>
      {stock.backorders > 0 && <small>{stock.backorders} owed</small>}
      <button
        type="button"
        onClick={() => open(true)}
        disabled={loading}
        aria-label={`Set the stock of ${sku}`}
        // biome-ignore lint/a11y/noAutofocus: it stands where the form was that had the focus.
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
  /** Why it could not be set the last time. */
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
        // biome-ignore lint/a11y/noAutofocus: the button that was pressed has turned into this field.
        autoFocus
      />
      <button type="submit" disabled={!isRight}>
        Save
      </button>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
      {failure && (
        <small role="alert" className="wrong">
          Not set. {inWords(failure)}
        </small>
      )}
    </form>
  );
};

/** The goods as they will be, if all goes well. */
const toOptimistic = (sku: string, stock: NonNullable<Product['stock']>) => ({
  setStock: {
    __typename: 'SetStockPayload',
    product: { __typename: 'Product', sku, stock: { __typename: 'Stock', ...stock } },
  },
});
