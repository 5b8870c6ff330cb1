import { expect, vi } from 'vitest';
import { startProcess } from './processes.ts';
import { sandboxEnvironment } from './sandboxes.ts';
import type { Stack } from './stack.ts';

/** Starts a gateway with the payments and crm subgraphs in a separate process, over a stack's sandboxes. */
export const startOverHttp = async (
  stack: Stack,
  env: Readonly<Record<string, string>>,
): Promise<Pick<Stack, 'ask' | 'close'>> => {
  const subgraphs = startProcess(['node', 'subgraphs/main.ts'], {
    SUBGRAPHS: 'payments,crm',
    PORT: '0',
    LOG_LEVEL: 'silent',
    ...sandboxEnvironment('stripe', stack.stripe),
    ...sandboxEnvironment('hubspot', stack.hubspot),
    ...env,
  });
  const answersAt = (name: string) => new RegExp(`${name} answers at (\\S+)`).exec(subgraphs.output())?.[1] ?? '';
  await vi.waitFor(() => expect([answersAt('payments'), answersAt('crm')]).not.toContain(''), 120_000);
  const gateway = await stack.startAnother({ PAYMENTS_URL: answersAt('payments'), CRM_URL: answersAt('crm') });
  return {
    ask: gateway.ask,
    close: async () => {
      await gateway.close();
      await subgraphs.stop();
    },
  };
};
