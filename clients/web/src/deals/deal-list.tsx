import type { ErrorLike } from '@apollo/client';
import { formatDay, inWords } from '../customers/names.ts';
import { failuresOf } from '../errors.ts';
import type { CustomerOverviewQuery, DealCardFragment, DealLineFragment } from '../generated/graphql.ts';
import { useMoreDealsLazyQuery } from '../generated/hooks.ts';
import { formatMoney } from '../money.ts';
import { Missing, MissingItems, ShowMore } from '../notices.tsx';
import { splitItems } from '../split-items.ts';
import { StockLevel } from './stock-level.tsx';

type Customer = NonNullable<CustomerOverviewQuery['customer']>;
type Props = { customer: Customer; error: ErrorLike | undefined; onRetry: () => void };

/** A customer's deals, newest first, with the stock of each line item. */
export const DealList = ({ customer: { id, deals }, error, onRetry }: Props) => {
  const [loadMore, more] = useMoreDealsLazyQuery({ fetchPolicy: 'network-only', errorPolicy: 'all' });
  const { present, missing } = splitItems(deals?.edges.map(({ node }) => node) ?? []);
  // The cache adds the page to the list.
  const showMore = () => {
    const after = deals?.pageInfo.endCursor;
    if (after) void loadMore({ variables: { id, after } }).catch(() => {});
  };
  // An error within the page concerns one deal, not the page.
  const hasFailed = failuresOf(more.error).some(({ path }) => path.length <= 2);
  return (
    <section aria-labelledby="deals">
      <h3 id="deals">Deals</h3>
      {deals === null && <Missing what="Deals" error={error} at={['customer', 'deals']} onRetry={onRetry} />}
      {deals?.edges.length === 0 && <p className="quiet">No deals yet.</p>}
      <ul className="cards">
        {present.map((deal) => (
          <Deal key={deal.id} deal={deal} onRetry={onRetry} />
        ))}
      </ul>
      <MissingItems one="deal" many="deals" count={missing} />
      {deals && (
        <ShowMore
          many="deals"
          hasMore={deals.pageInfo.hasNextPage}
          count={deals.edges.length}
          loading={more.loading}
          error={hasFailed ? more.error : undefined}
          onMore={showMore}
        />
      )}
    </section>
  );
};

const BADGES: Readonly<Record<NonNullable<DealCardFragment['status']>, string>> = {
  WON: 'good',
  LOST: 'bad',
  OPEN: '',
};

const Deal = ({ deal, onRetry }: { deal: DealCardFragment; onRetry: () => void }) => {
  const { present, missing } = splitItems(deal.lineItems ?? []);
  const name = deal.name ?? `Deal ${deal.id}`;
  return (
    <li aria-label={`Deal ${deal.name ?? deal.id}`}>
      <div className="line">
        <strong>{name}</strong>
        {deal.amount && <span className="figure">{formatMoney(deal.amount)}</span>}
      </div>
      <div className="line second">
        <span>
          Deal {deal.id}
          {deal.closeDate && ` · ${formatDay(deal.closeDate)}`}
        </span>
        {deal.status && <span className={`badge ${BADGES[deal.status]}`}>{inWords(deal.status)}</span>}
      </div>
      {deal.lineItems === null && <p className="quiet">The deal’s lines could not be loaded.</p>}
      {present.length > 0 && (
        <table>
          <caption className="hidden">Lines of {name}</caption>
          <thead>
            <tr>
              <th scope="col">Item</th>
              <th scope="col" className="figure">
                Quantity
              </th>
              <th scope="col" className="figure">
                Unit price
              </th>
              <th scope="col" className="figure">
                Stock
              </th>
            </tr>
          </thead>
          <tbody>
            {present.map((line) => (
              <Line key={line.id} line={line} onRetry={onRetry} />
            ))}
          </tbody>
        </table>
      )}
      <MissingItems one="of its lines" many="of its lines" count={missing} />
    </li>
  );
};

const Line = ({ line, onRetry }: { line: DealLineFragment; onRetry: () => void }) => (
  <tr>
    <th scope="row">
      {line.product?.name ?? line.name}
      {line.product && <small>{line.product.sku}</small>}
    </th>
    <td data-label="Quantity" className="figure">
      {line.quantity}
    </td>
    <td data-label="Unit price" className="figure">
      {line.unitPrice && formatMoney(line.unitPrice)}
    </td>
    <td data-label="Stock" className="figure">
      {line.product && <StockLevel product={line.product} onRetry={onRetry} />}
    </td>
  </tr>
);
