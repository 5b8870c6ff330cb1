import { readEnv } from '../runtime/env.ts';
import { run } from '../runtime/lifecycle.ts';
import { SandboxProcessEnv } from './config.ts';
import { sandboxes } from './index.ts';
import type { Sandbox } from './server.ts';

await run(process.env, async () => {
  const { SANDBOXES: names, PORT: port, HOST: host } = readEnv(SandboxProcessEnv, process.env);
  const started: Sandbox[] = [];
  for (const [index, name] of names.entries()) {
    const sandbox = await sandboxes[name].start({ port: port === 0 ? 0 : port + index, host });
    started.push(sandbox);
    console.log(`The sandbox of ${name} answers at ${sandbox.url}; to use it:`);
    for (const [variable, value] of Object.entries(sandboxes[name].environment(sandbox))) {
      console.log(`  ${variable}=${value}`);
    }
  }
  return {
    close: async () => {
      await Promise.all(started.map((sandbox) => sandbox.close()));
    },
  };
});
