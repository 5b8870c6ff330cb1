import { createLog } from '../../runtime/log.ts';
import { readConfig } from '../../subgraphs/config.ts';
import { inventory } from '../../subgraphs/inventory/index.ts';
import type { OpenMageSandboxOptions } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { createProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { serve } from '../../subgraphs/kit/serve.ts';
import { sandboxEnvironment } from './sandboxes.ts';
import { type Ask, type Stack, startStack } from './stack.ts';

/** The two transports to the inventory subgraph. */
export const PATHS = ['in process', 'over HTTP'] as const;

export type InventoryStack = {
  readonly openmage: Stack['openmage'];
  readonly ask: Ask;
  readonly close: () => Promise<void>;
};

/** Starts a gateway with the inventory subgraph over one of the transports, and a sandbox of the shop. */
export const startInventory = async (
  path: (typeof PATHS)[number],
  { openmage, env = {} }: { openmage?: OpenMageSandboxOptions; env?: Record<string, string> } = {},
): Promise<InventoryStack> => {
  const stack = await startStack({ env, openmage: { sessionLifetimeS: 1e9, ...openmage } });
  if (path === 'in process') return stack;
  const log = createLog('silent');
  const whole = { CACHE_MAX_MIB: '0', ...sandboxEnvironment('openmage', stack.openmage), ...env };
  const { infrastructure } = await createProcessInfrastructure(whole, log);
  const config = readConfig({ SUBGRAPHS: 'inventory', PORT: '0', SHUTDOWN_GRACE_MS: '100' });
  const subgraph = await serve([inventory.create(whole, infrastructure)], { ...config, log, health: () => ({}) });
  const gateway = await stack.startAnother({ ...env, INVENTORY_URL: `${subgraph.url}/inventory` });
  return {
    openmage: stack.openmage,
    ask: gateway.ask,
    close: async () => {
      await gateway.close();
      await subgraph.close();
      await stack.close();
    },
  };
};
