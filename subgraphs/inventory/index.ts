import { defineSubgraph } from '../kit/subgraph.ts';
import { confine } from './confine.ts';
import { events } from './domain-events.ts';
import type { Context } from './model.ts';
import { costs } from './openmage/costs.ts';
import { openmage } from './openmage/definition.ts';
import { createInventory } from './openmage/inventory.ts';
import { resolvers } from './resolvers.ts';

/** The inventory subgraph: products and their stock. */
export const inventory = defineSubgraph({
  name: 'inventory',
  title: 'Inventory',
  port: 4003,
  folder: import.meta.dirname,
  resolvers,
  provider: openmage,
  events,
  costs,
  createContext: (session): Context => ({ inventory: createInventory(session) }),
  confine,
});
