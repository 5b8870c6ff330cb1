import { type FormEvent, useId, useState } from 'react';
import { failuresOf, inWords } from '../errors.ts';
import type { DealLineFragment } from '../generated/graphql.ts';
import { useSetStockMutation } from '../generated/hooks.ts';

type Product = NonNullable<DealLineFragment['product']>;

/** What the shop has of something, and a way to set it. */
export const StockLevel = ({ product, onRetry }: { product: Product; onRetry: () => void }) => {
  const [isOpen, setOpen] = useState(false);
  const [wasOpen, setWasOpen] = useState(false);
  const { stock } = product;
  const open = (value: boolean) => {
    setOpen(value);
    setWasOpen(true);
  };
  if (!stock) {
    return (
      <button type="button" onClick={onRetry} aria-label={`Stock of ${product.sku} is not known. Try again`}>
        Not known ⟳
      </button>
    );
  }
  if (isOpen) return <StockForm product={product} quantity={stock.quantity} onClose={() => open(false)} />;
  return (
    <span className="stock">
      <span className={stock.inStock ? 'badge good' : 'badge bad'}>
        {stock.inStock ? stock.quantity : `${stock.quantity}, not sold`}
      </span>
      {stock.backorders > 0 && <small>{stock.backorders} owed</small>}
      <button
        type="button"
        onClick={() => open(true)}
        aria-label={`Set the stock of ${product.sku}`}
        // biome-ignore lint/a11y/noAutofocus: it stands where the form was that had the focus.
        autoFocus={wasOpen}
      >
        Set
      </button>
    </span>
  );
};

const StockForm = ({ product, quantity, onClose }: { product: Product; quantity: number; onClose: () => void }) => {
  const id = useId();
  const [typed, setTyped] = useState(String(quantity));
  const [setStock, { loading, error }] = useSetStockMutation();
  const wanted = Number(typed.replace(',', '.'));
  const isRight = typed.trim() !== '' && wanted >= 0 && wanted < 100_000_000;
  const [failure] = failuresOf(error);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!isRight) return;
    const inStock = wanted > 0;
    const { data } = await setStock({
      variables: { input: { sku: product.sku, quantity: wanted, inStock } },
      errorPolicy: 'all',
      optimisticResponse: toOptimistic(product.sku, { quantity: wanted, inStock, backorders: 0 }),
    });
    if (data?.setStock) onClose();
  };
  return (
    <form className="stock" onSubmit={(event) => void submit(event)}>
      <label htmlFor={id} className="hidden">
        In stock of {product.sku}
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
      <button type="submit" disabled={loading || !isRight}>
        Save
      </button>
      <button type="button" onClick={onClose}>
        Cancel
      </button>
      {failure && !loading && (
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
