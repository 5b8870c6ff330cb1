import { z } from 'zod';
import type { Changes } from '../../../connectors/reads/read.ts';
import type { DomainEventChanges } from '../../../events/domain-events.ts';
import type { StockChanged } from '../model.ts';
import { Sku } from '../sku.ts';
import type { OpenMageReads } from './reads.ts';

/** What the domain events of other applications change of what is read from the shop. */
export const domainEvents: DomainEventChanges<Changes<OpenMageReads>, StockChanged> = {
  stockChanged: { keys: z.object({ sku: Sku }), changes: ({ sku }) => ({ stock: [sku] }) },
};
