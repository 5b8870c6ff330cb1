import { defineSubgraph } from '../kit/subgraph.ts';
import { confine } from './confine.ts';
import { events } from './domain-events.ts';
import type { Context } from './model.ts';
import { createResolvers } from './resolvers.ts';
import { costs } from './stripe/costs.ts';
import { stripe } from './stripe/definition.ts';
import { inputs } from './stripe/inputs.ts';
import { createPayments } from './stripe/payments.ts';

/** The payments subgraph: payments, refunds and invoices. */
export const payments = defineSubgraph({
  name: 'payments',
  title: 'Payments',
  port: 4001,
  folder: import.meta.dirname,
  resolvers: createResolvers(inputs),
  provider: stripe,
  events,
  costs,
  createContext: (session): Context => ({ payments: createPayments(session) }),
  confine,
});
