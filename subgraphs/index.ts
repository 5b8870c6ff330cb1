import { crm } from './crm/index.ts';
import { inventory } from './inventory/index.ts';
import type { SubgraphModule } from './kit/subgraph.ts';
import { payments } from './payments/index.ts';

/** Every subgraph there is. */
export const subgraphs: readonly SubgraphModule[] = [payments, crm, inventory];
