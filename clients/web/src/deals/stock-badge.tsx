import type { StockLevelFragment } from '../generated/graphql.ts';

/** Returns the badge of a stock level. */
const toBadge = ({ quantity, inStock, backorders }: StockLevelFragment): { kind: string; text: string } => {
  if (backorders > 0) return { kind: 'warn', text: `${backorders} backordered` };
  if (quantity > 0)
    return inStock ? { kind: 'good', text: `${quantity} in stock` } : { kind: 'bad', text: `${quantity} not for sale` };
  return inStock ? { kind: 'warn', text: 'On backorder' } : { kind: 'bad', text: 'Out of stock' };
};

/** A badge that says whether a product is in stock, out of stock, backordered or not for sale. */
export const StockBadge = ({ stock }: { stock: StockLevelFragment }) => {
  const { kind, text } = toBadge(stock);
  return <span className={`badge ${kind}`}>{text}</span>;
};
