import { run } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { readConfig } from './config.ts';
import { subgraphs } from './index.ts';
import { createProcessKit } from './kit.ts';
import { serve } from './serve.ts';

await run(process.env, async () => {
  const { names, logLevel, ...at } = readConfig(process.env);
  const log = createLog(logLevel);
  const { kit, redis, health } = createProcessKit(process.env, log);
  const chosen = subgraphs.filter(({ name }) => names.includes(name)).map(({ create }) => create(process.env, kit));
  const served = await serve(chosen, { ...at, log, health });
  for (const { name } of chosen) console.log(`The subgraph ${name} answers at ${served.url}/${name}`);
  return {
    close: async () => {
      await served.close();
      redis?.close();
    },
  };
});
