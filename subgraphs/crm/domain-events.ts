import type { DomainEvents } from '../../events/domain-events.ts';
import type { CrmMessage } from './model.ts';

/** The events of the CRM for other applications. */
export const events: DomainEvents<CrmMessage> = {
  customerChanged: {
    description: 'A customer or one of its associations may have changed. A deleted customer is not found any more.',
    keys: { id: 'The ID of the customer.' },
    subject: 'id',
  },
  dealChanged: {
    description: 'A deal or one of its associations may have changed. A deleted deal is not found any more.',
    keys: { id: 'The ID of the deal.' },
    subject: 'id',
  },
};
