import { defineSubgraph } from '../kit/subgraph.ts';
import { confine } from './confine.ts';
import { events } from './domain-events.ts';
import { costs } from './hubspot/costs.ts';
import { createCrm } from './hubspot/crm.ts';
import { hubspot } from './hubspot/definition.ts';
import { RecordId } from './hubspot/record-id.ts';
import type { Context } from './model.ts';
import { createResolvers } from './resolvers.ts';

/** The crm subgraph: customers, companies and deals. */
export const crm = defineSubgraph({
  name: 'crm',
  title: 'CRM',
  port: 4002,
  folder: import.meta.dirname,
  resolvers: createResolvers(RecordId),
  provider: hubspot,
  events,
  costs,
  createContext: (session): Context => ({ crm: createCrm(session) }),
  confine,
});
