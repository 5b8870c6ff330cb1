import { createServer } from 'node:http';
import { startHubSpotSandbox } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { sandboxEnvironment } from '../../test/helpers/sandboxes.ts';
import { COUNTS_PATH, type ReplayCounts } from './replay.ts';

/* The providers' sandboxes, without rate limits: waiting for those would be measured, not the gateways. */

/** `GET` returns the variables of a process that calls the providers. */
export const ENVIRONMENT_PATH = '/-/environment';

const ANY = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };

const start = async (port: number): Promise<void> => {
  const sandboxes = {
    stripe: await startStripeSandbox({ quota: { account: ANY, endpoint: ANY, search: ANY } }),
    hubspot: await startHubSpotSandbox({ quota: { account: ANY, search: ANY } }),
    openmage: await startOpenMageSandbox(),
  };
  const environment = Object.assign(
    {
      STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
      HUBSPOT_QUOTA: 'account=100000/1,search=100000/1',
    },
    ...Object.entries(sandboxes).map(([name, sandbox]) => sandboxEnvironment(name, sandbox)),
  );
  const counts = (): ReplayCounts => ({
    requests: Object.values(sandboxes).reduce((sum, { calls }) => sum + calls.length, 0),
    anonymous: 0,
  });
  createServer((request, response) => {
    const answers: Record<string, () => object> = { [COUNTS_PATH]: counts, [ENVIRONMENT_PATH]: () => environment };
    const answer = answers[String(request.url)];
    response.writeHead(answer ? 200 : 404).end(JSON.stringify(answer?.() ?? {}));
  }).listen(port, '127.0.0.1');
};

if (import.meta.main) await start(Number(process.env['PORT']));
