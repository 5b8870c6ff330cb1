import { z } from 'zod';
import type { Changes } from '../../../connectors/reads/read.ts';
import type { DomainEventChanges } from '../../../events/domain-events.ts';
import type { CrmMessage } from '../model.ts';
import type { HubSpotReads } from './reads.ts';
import { RecordId } from './record-id.ts';

const Keys = z.object({ id: RecordId });

/** The reads from HubSpot that the domain events of other applications invalidate: a record, its associations, and lists. */
export const domainEvents: DomainEventChanges<Changes<HubSpotReads>, CrmMessage> = {
  customerChanged: {
    keys: Keys,
    changes: ({ id }) => ({
      contact: [id],
      contactByEmail: [{ id }],
      companiesOfContact: [id],
      dealsOfContact: [id],
      contactPages: 'all',
    }),
  },
  dealChanged: {
    keys: Keys,
    changes: ({ id }) => ({
      deal: [id],
      companiesOfDeal: [id],
      contactsOfDeal: [id],
      lineItemsOfDeal: [id],
      dealPages: 'all',
    }),
  },
};
