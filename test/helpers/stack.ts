import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type GraphQLFormattedError, print } from 'graphql';
import { startGateway } from '../../gateway/start.ts';
import type { StartedGateway } from '../../gateway/started-gateway.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { type HubSpotSandboxOptions, startHubSpotSandbox } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { type OpenMageSandboxOptions, startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { type StripeSandboxOptions, startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { CONTRACTS } from '../contracts/index.ts';
import { sandboxEnvironment, sandboxes } from './sandboxes.ts';

export type Answer<Data> = {
  readonly status: number;
  readonly data: Data | null | undefined;
  readonly errors: readonly GraphQLFormattedError[] | undefined;
  readonly text: string;
};

export type Ask = <Data = Record<string, unknown>, Variables = Record<string, unknown>>(
  query: string | TypedDocumentNode<Data, Variables>,
  variables?: Variables,
  init?: { headers?: Record<string, string>; signal?: AbortSignal },
) => Promise<Answer<Data>>;

export type Stack = {
  readonly url: string;
  /** The URL of its admin server, if `env` sets ADMIN_PORT. */
  readonly adminUrl: string | undefined;
  /** The environment of its gateway. */
  readonly env: Readonly<Record<string, string>>;
  readonly sandboxes: Readonly<Record<string, Sandbox>>;
  /** Returns the sandbox of a provider. */
  readonly sandbox: (provider: string) => Sandbox;
  readonly stripe: Sandbox;
  readonly hubspot: Sandbox;
  readonly openmage: Sandbox;
  readonly ask: Ask;
  /** Starts another gateway over the same sandboxes, with `env` added to the same environment. */
  readonly startAnother: (env?: Record<string, string>) => Promise<Pick<Stack, 'url' | 'ask' | 'close'>>;
  /** Clears the call logs and faults of all sandboxes. */
  readonly reset: () => void;
  readonly close: () => Promise<void>;
};

export type StackOptions = {
  readonly env?: Record<string, string>;
  readonly stripe?: StripeSandboxOptions;
  readonly hubspot?: HubSpotSandboxOptions;
  readonly openmage?: OpenMageSandboxOptions;
};

const ANY = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };

/** Creates a client of a GraphQL endpoint. */
export const createAsk =
  (url: string): Ask =>
  async (query, variables, { headers, signal } = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...headers },
      body: JSON.stringify({ query: typeof query === 'string' ? query : print(query), variables }),
      ...(signal && { signal }),
    });
    const text = await response.text();
    const { data, errors } = JSON.parse(text);
    return { status: response.status, data, errors, text };
  };

/** No cache and no rate limits, so that every read reaches a sandbox immediately. */
const UNRESTRICTED = {
  CACHE_MAX_MIB: '0',
  // Redis can be slow on a busy machine.
  REDIS_TIMEOUT_MS: '20000',
  ...Object.fromEntries(
    CONTRACTS.map(({ quota: { variable, value } }) => [variable, value.replaceAll('N', '100000').replaceAll('S', '1')]),
  ),
};

/**
 * Starts the sandboxes and a gateway over them, on free ports. The sandboxes have no rate limits unless given, and the gateway
 * has no cache and no rate limits unless `env` sets them.
 */
export const startStack = async ({ env, stripe, hubspot, openmage }: StackOptions = {}): Promise<Stack> => {
  const starts: Record<string, () => Promise<Sandbox>> = {
    ...Object.fromEntries([...sandboxes].map(([name, { start }]) => [name, () => start()])),
    stripe: () =>
      startStripeSandbox({ quota: { account: ANY, endpoint: ANY, search: ANY }, searchLagMs: 0, ...stripe }),
    hubspot: () => startHubSpotSandbox({ quota: { account: ANY, search: ANY }, ...hubspot }),
    openmage: () => startOpenMageSandbox(openmage),
  };
  const started = await Promise.all(Object.entries(starts).map(async ([name, start]) => [name, await start()]));
  const providers = Object.fromEntries(started) as Stack['sandboxes'] & Pick<Stack, 'stripe' | 'hubspot' | 'openmage'>;
  const all = Object.values(providers);
  const whole = { PORT: '0', LOG_LEVEL: 'silent', ...environmentOf({ sandboxes: providers }), ...env };
  let gateway: StartedGateway;
  try {
    gateway = await startGateway(whole);
  } catch (error) {
    await Promise.all(all.map((sandbox) => sandbox.close()));
    throw error;
  }
  return {
    url: gateway.url,
    adminUrl: gateway.adminUrl,
    env: whole,
    sandboxes: providers,
    sandbox: (provider) => providers[provider] as Sandbox,
    stripe: providers.stripe,
    hubspot: providers.hubspot,
    openmage: providers.openmage,
    ask: createAsk(`${gateway.url}/graphql`),
    startAnother: async (other) => {
      const { url, close } = await startGateway({ ...whole, ...other });
      return { url, ask: createAsk(`${url}/graphql`), close };
    },
    reset: () => {
      for (const sandbox of all) sandbox.reset();
    },
    close: async () => {
      await gateway.close();
      await Promise.all(all.map((sandbox) => sandbox.close()));
    },
  };
};

/** Returns the variables that point a gateway in another process at the sandboxes of a stack, without rate limits. */
export const environmentOf = ({ sandboxes: started }: Pick<Stack, 'sandboxes'>): Record<string, string> => ({
  ...UNRESTRICTED,
  ...Object.assign({}, ...Object.entries(started).map(([name, sandbox]) => sandboxEnvironment(name, sandbox))),
});

/** Returns the operations in a sandbox's call log, sorted, without reads of the WSDL. */
export const operationsOf = ({ calls }: Sandbox): string[] =>
  calls
    .map(({ operation }) => operation)
    .filter((operation) => operation !== 'WSDL')
    .sort();

/** Returns the code and the reason of each error. */
export const codesOf = (errors: readonly GraphQLFormattedError[] | undefined): unknown[][] | undefined =>
  errors?.map(({ extensions }) => [extensions?.['code'], extensions?.['reason']]);
