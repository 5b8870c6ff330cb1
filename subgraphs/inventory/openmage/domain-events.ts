import { z } from 'zod';
import type { Changes } from '../../../connectors/reads/read.ts';
import type { DomainEventChanges } from '../../../events/domain-events.ts';
import type { StockChanged } from '../model.ts';
import { Sku } from '../sku.ts';
import type { OpenMageReads } from './reads.ts';

/** The reads from the shop that the domain events of other applications invalidate. */
export const domainEvents: DomainEventChanges<Changes<OpenMageReads>, StockChanged> = {
  stockChanged: { keys: z.object({ sku: Sku }), changes: ({ sku }) => ({ stock: [sku] }) },
};
