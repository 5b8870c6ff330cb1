import type { DomainEvents } from '../../events/domain-events.ts';
import type { StockChanged } from './model.ts';

/** The events of the inventory for other applications. */
export const events: DomainEvents<StockChanged> = {
  stockChanged: {
    description: 'The stock of a product may have changed.',
    keys: { sku: 'The SKU of the product.' },
    subject: 'sku',
  },
};
