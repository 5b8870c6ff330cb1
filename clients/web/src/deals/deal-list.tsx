import type { ErrorLike } from '@apollo/client';
import { formatDay, inWords } from '../customers/names.ts';
import type { CustomerOverviewQuery, DealCardFragment, DealLineFragment } from '../generated/graphql.ts';
import { formatMoney } from '../money.ts';
import { Missing, MissingItems, StaleHint } from '../notices.tsx';
import { splitItems } from '../split-items.ts';
import { StockLevel } from './stock-level.tsx';

type Props = {
  deals: NonNullable<CustomerOverviewQuery['customer']>['deals'];
  error: ErrorLike | undefined;
  onRetry: () => void;
};

/** A customer's deals, newest first, with what is in stock for each line. */
export const DealList = ({ deals, error, onRetry }: Props) => {
  const { present, missing } = splitItems(deals?.edges.map(({ node }) => node) ?? []);
  return (
    <section aria-labelledby="deals">
      <h3 id="deals">Deals</h3>
      <StaleHint operation="CustomerOverview" at={['customer', 'deals']} />
      {deals === null && <Missing what="Deals" error={error} at={['customer', 'deals']} onRetry={onRetry} />}
      {deals?.edges.length === 0 && <p className="quiet">None yet.</p>}
      <ul className="cards">
        {present.map((deal) => (
          <Deal key={deal.id} deal={deal} onRetry={onRetry} />
        ))}
      </ul>
      <MissingItems one="deal" many="deals" count={missing} />
      {deals?.pageInfo.hasNextPage && <p className="quiet">These are the newest; there are more.</p>}
    </section>
  );
};

const Deal = ({ deal, onRetry }: { deal: DealCardFragment; onRetry: () => void }) => {
  const { present, missing } = splitItems(deal.lineItems ?? []);
  return (
    <li aria-label={`Deal ${deal.name ?? deal.id}`}>
      <div className="line">
        <strong>{deal.name ?? `Deal ${deal.id}`}</strong>
        {deal.status && <span className={`badge ${deal.status === 'WON' ? 'good' : ''}`}>{inWords(deal.status)}</span>}
        {deal.amount && <span>{formatMoney(deal.amount)}</span>}
        {deal.closeDate && <span className="quiet">{formatDay(deal.closeDate)}</span>}
      </div>
      {deal.lineItems === null && <p className="quiet">Its lines cannot be shown right now.</p>}
      {present.length > 0 && (
        <table>
          <caption className="hidden">What {deal.name ?? 'the deal'} sells</caption>
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">How many</th>
              <th scope="col">Each</th>
              <th scope="col">In stock</th>
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
      {line.product && <small> {line.product.sku}</small>}
    </th>
    <td data-label="How many">{line.quantity}</td>
    <td data-label="Each">{line.unitPrice && formatMoney(line.unitPrice)}</td>
    <td data-label="In stock">{line.product && <StockLevel product={line.product} onRetry={onRetry} />}</td>
  </tr>
);
