import type { SandboxModule } from '../../connectors/define-provider.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { subgraphs } from '../../subgraphs/index.ts';

/** All sandboxes, by provider name. */
export const sandboxes: ReadonlyMap<string, SandboxModule<Sandbox>> = new Map(
  await Promise.all(
    subgraphs.flatMap(({ provider }) =>
      provider.sandbox
        ? [provider.sandbox().then((module: unknown) => [provider.name, module as SandboxModule<Sandbox>] as const)]
        : [],
    ),
  ),
);

const sandboxOf = (provider: string): SandboxModule<Sandbox> => {
  const found = sandboxes.get(provider);
  if (!found) throw new Error(`There is no sandbox of ${provider}.`);
  return found;
};

export const startSandbox = (provider: string): Promise<Sandbox> => sandboxOf(provider).start();

/** Returns the variables that point a provider's client at a sandbox. */
export const sandboxEnvironment = (provider: string, at: Pick<Sandbox, 'url'>): Readonly<Record<string, string>> =>
  sandboxOf(provider).environment(at);
