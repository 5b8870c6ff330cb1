import type { AnyProvider } from '../connectors/define-provider.ts';
import { ConfigError, type Env, readEnv } from '../runtime/env.ts';
import { createHostPolicy } from '../runtime/hosts.ts';
import { allowedHosts } from '../runtime/http-limits.ts';
import { run } from '../runtime/lifecycle.ts';
import { subgraphs } from '../subgraphs/index.ts';
import { createSandboxProcessEnv } from './config.ts';

const providers = subgraphs.map(({ provider }) => provider).filter(({ sandbox }) => sandbox);

/** Runs a process that serves the sandboxes that SANDBOXES names. */
export const runSandboxes = (env: Env): Promise<void> => run(env, () => startSandboxes(env));

const startSandboxes = async (env: Env) => {
  const values = readEnv(createSandboxProcessEnv(providers.map(({ name }) => name)), env, ['SANDBOX_WEBHOOK_SECRET']);
  const { SANDBOXES, PORT, HOST: host, SANDBOX_CONTROL, NODE_ENV } = values;
  const { SANDBOX_WEBHOOK_URL: webhookUrl, SANDBOX_WEBHOOK_SECRET: secret } = values;
  if ((webhookUrl === undefined) !== (secret === undefined)) {
    throw new ConfigError('SANDBOX_WEBHOOK_URL: must be set with SANDBOX_WEBHOOK_SECRET, and only then');
  }
  const hosts = createHostPolicy(allowedHosts(values));
  const control = SANDBOX_CONTROL ? SANDBOX_CONTROL === 'on' : NODE_ENV !== 'production';
  const started: { readonly close: () => Promise<void> }[] = [];
  for (const [index, name] of SANDBOXES.entries()) {
    const load = providers.find((provider) => provider.name === name)?.sandbox as NonNullable<AnyProvider['sandbox']>;
    const { start, environment } = await load();
    const sandbox = await start({ port: PORT === 0 ? 0 : PORT + index, host, hosts, control });
    started.push(sandbox);
    if (webhookUrl !== undefined && secret !== undefined) {
      sandbox.sendWebhooks?.({ url: `${webhookUrl.replace(/\/$/, '')}/webhooks/${name}`, secret });
    }
    console.log(`The sandbox of ${name} answers at ${sandbox.url}; to use it:`);
    for (const [variable, value] of Object.entries(environment(sandbox))) console.log(`  ${variable}=${value}`);
  }
  return {
    close: async () => {
      await Promise.all(started.map((sandbox) => sandbox.close()));
    },
  };
};
