import { HUBSPOT_SANDBOX_TOKEN, startHubSpotSandbox } from '../subgraphs/crm/hubspot/sandbox/index.ts';
import {
  OPENMAGE_PATH,
  OPENMAGE_SANDBOX_KEY,
  OPENMAGE_SANDBOX_USER,
  startOpenMageSandbox,
} from '../subgraphs/inventory/openmage/sandbox/index.ts';
import { STRIPE_SANDBOX_KEY, startStripeSandbox } from '../subgraphs/payments/stripe/sandbox/index.ts';
import type { ListenOptions, Sandbox } from './server.ts';

/** A provider's stand-in and the environment that points a subgraph at it. */
export type SandboxedProvider = {
  readonly start: (options?: ListenOptions) => Promise<Sandbox>;
  readonly environment: (sandbox: Pick<Sandbox, 'url'>) => Readonly<Record<string, string>>;
};

/** The providers that have a stand-in here, by name. */
export const sandboxes = {
  stripe: {
    start: (options?: ListenOptions) => startStripeSandbox(options),
    environment: ({ url }: Pick<Sandbox, 'url'>) => ({ STRIPE_BASE_URL: url, STRIPE_API_KEY: STRIPE_SANDBOX_KEY }),
  },
  hubspot: {
    start: (options?: ListenOptions) => startHubSpotSandbox(options),
    environment: ({ url }: Pick<Sandbox, 'url'>) => ({
      HUBSPOT_BASE_URL: url,
      HUBSPOT_ACCESS_TOKEN: HUBSPOT_SANDBOX_TOKEN,
    }),
  },
  openmage: {
    start: (options?: ListenOptions) => startOpenMageSandbox(options),
    environment: ({ url }: Pick<Sandbox, 'url'>) => ({
      OPENMAGE_WSDL_URL: `${url}${OPENMAGE_PATH}?wsdl`,
      OPENMAGE_USERNAME: OPENMAGE_SANDBOX_USER,
      OPENMAGE_API_KEY: OPENMAGE_SANDBOX_KEY,
    }),
  },
} as const satisfies Readonly<Record<string, SandboxedProvider>>;

/** The stand-in of a provider, if there is one. */
export const sandboxOf = (provider: string): SandboxedProvider | undefined =>
  new Map<string, SandboxedProvider>(Object.entries(sandboxes)).get(provider);
