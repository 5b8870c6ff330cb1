import { run } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { readConfig } from './config.ts';
import { subgraphs } from './index.ts';
import { serve } from './serve.ts';

await run(async () => {
  const { names, logLevel, ...at } = readConfig(process.env);
  const chosen = subgraphs.filter(({ name }) => names.includes(name)).map(({ create }) => create(process.env));
  const served = await serve(chosen, { ...at, log: createLog(logLevel) });
  for (const { name } of chosen) console.log(`The subgraph ${name} answers at ${served.url}/${name}`);
  return served;
});
