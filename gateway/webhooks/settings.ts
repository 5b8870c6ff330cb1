import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { pollSettingsOf, pollVariableOf, SANDBOX_POLL_S } from '../../connectors/poll-settings.ts';
import { webhookSettingsOf, webhookVariableOf } from '../../connectors/webhook-settings.ts';
import { IN_MEMORY } from '../../events/inbox/sqlite.ts';
import { ConfigError, type Env, namesOfSet, readEnv } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { fileVariables, watchFiles } from '../../runtime/watch-files.ts';
import type { SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import { isForTenantsOnly } from '../../subgraphs/kit/tenants.ts';
import { type GatewayConfig, urlVariable } from '../config.ts';

/** The secrets of a webhook, as they are now. */
export type WebhookSecrets = {
  readonly current: () => readonly string[];
  /** Uses the new content of the secret's file when it changes. Returns an unsubscribe function. */
  readonly watch: (log: Log) => () => void;
};

/** Reads the secrets of a provider's webhook. Undefined if there are none. Throws ConfigError. */
export const readWebhookSecrets = ({ provider }: SubgraphModule, env: Env): WebhookSecrets | undefined => {
  const schema = z.object(webhookSettingsOf(provider));
  const variable = webhookVariableOf(provider);
  const read = (): readonly string[] | undefined => readEnv(schema, env, provider.webhook ? [variable] : [])[variable];
  const first = read();
  if (!first) return undefined;
  let secrets = first;
  return {
    current: () => secrets,
    watch: (log) =>
      watchFiles(fileVariables([variable]), {
        env,
        log,
        reload: () => {
          const next = read() ?? [];
          const isNew = !isDeepStrictEqual(next, secrets);
          secrets = next;
          return isNew;
        },
      }),
  };
};

/**
 * Reads the interval at which a provider is polled for changes, in milliseconds. Undefined if it is not: unless it is configured, only
 * the sandbox in this process is. Throws ConfigError.
 */
export const readPollInterval = (
  { provider }: SubgraphModule,
  env: Env,
  { isSandbox }: { readonly isSandbox: boolean },
): number | undefined => {
  if (!provider.poll) return undefined;
  const schema = z.object(pollSettingsOf(provider));
  const seconds = readEnv(schema, env, [])[pollVariableOf(provider)] ?? (isSandbox ? SANDBOX_POLL_S : 'off');
  return seconds === 'off' ? undefined : seconds * 1_000;
};

/** Checks the message broker with the subgraphs that run elsewhere. Throws ConfigError. */
export const checkBroker = ({
  broker,
  events,
  subgraphUrls,
}: Pick<GatewayConfig, 'broker' | 'events' | 'subgraphUrls'>): void => {
  const [name] = subgraphUrls.keys();
  if (!broker?.receives || name === undefined || events.url !== undefined) return;
  if ((events.file ?? IN_MEMORY) !== IN_MEMORY) return;
  throw new ConfigError(
    `BROKER_EVENTS: needs EVENTS_URL with ${urlVariable(name)}, also for the process of that subgraph, whose cache it invalidates`,
  );
};

/** Checks the webhooks and the polling that the environment turns on. Throws ConfigError. */
export const checkWebhooks = (
  modules: readonly SubgraphModule[],
  env: Env,
  { events, publicUrl, subgraphUrls }: Pick<GatewayConfig, 'events' | 'publicUrl' | 'subgraphUrls'>,
): void => {
  for (const module of modules) {
    const { name, provider } = module;
    const isRemote = subgraphUrls.has(name);
    const refuse = (variable: string, why: string): never => {
      throw new ConfigError(`${variable}: ${why}`);
    };
    const refuseForTenants = (variable: string): void => {
      if (isForTenantsOnly(provider, env)) {
        refuse(variable, `needs a credential for ${provider.title} besides those of tenants`);
      }
    };
    if (readPollInterval(module, env, { isSandbox: false }) !== undefined) {
      const variable = pollVariableOf(provider);
      if (isRemote) refuse(variable, `cannot be used with ${urlVariable(name)}, as another process calls the provider`);
      refuseForTenants(variable);
    }
    const { webhook } = provider;
    const variable = webhookVariableOf(provider);
    if (!webhook || namesOfSet([variable], env).length === 0) continue;
    if (isRemote && events.url === undefined && (events.file ?? IN_MEMORY) === IN_MEMORY) {
      const needed = `needs EVENTS_URL with ${urlVariable(name)}`;
      refuse(variable, `${needed}, also for the process of that subgraph, whose cache it invalidates`);
    }
    refuseForTenants(variable);
    if (webhook.signature.signsUrl && publicUrl === undefined) {
      refuse(variable, `needs PUBLIC_URL, as ${provider.title} signs the URL that it calls`);
    }
    if (events.limits.retentionMs < webhook.retriesForHours * 3_600_000) {
      throw new ConfigError(
        `EVENTS_RETENTION_HOURS: must be at least ${webhook.retriesForHours}, as ${provider.title} repeats deliveries for so long`,
      );
    }
  }
};
