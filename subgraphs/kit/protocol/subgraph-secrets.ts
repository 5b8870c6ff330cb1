import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { ConfigError, type Env, readEnv } from '../../../runtime/env.ts';
import type { Log } from '../../../runtime/log.ts';
import { fileVariables, watchFiles } from '../../../runtime/watch-files.ts';
import { SubgraphSecret } from './signed-identity.ts';

/** The secrets that gateway and subgraphs share, as they are now. */
export type SubgraphSecrets = {
  readonly current: () => readonly string[];
  /** Uses the new content of SUBGRAPH_SECRET_FILE when it changes. Returns an unsubscribe function. */
  readonly watch: (log: Log) => () => void;
};

const SecretEnv = z.object({ SUBGRAPH_SECRET: SubgraphSecret.optional() });

/** Creates the secrets of a process that has read `first`. */
export const createSubgraphSecrets = (env: Env, first: readonly string[] = []): SubgraphSecrets => {
  let secrets = first;
  const reload = (): boolean => {
    const { SUBGRAPH_SECRET: next = [] } = readEnv(SecretEnv, env, ['SUBGRAPH_SECRET']);
    if (next.length > 0 !== secrets.length > 0) {
      throw new ConfigError('SUBGRAPH_SECRET_FILE: signing can be turned on or off by a restart only.');
    }
    const isNew = !isDeepStrictEqual(next, secrets);
    secrets = next;
    return isNew;
  };
  return {
    current: () => secrets,
    watch: (log) => watchFiles(fileVariables(['SUBGRAPH_SECRET']), { env, log, reload }),
  };
};
