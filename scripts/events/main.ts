import { existsSync } from 'node:fs';
import { z } from 'zod';
import { DEFAULT_FILE, openStore } from '../../events/inbox/open-store.ts';
import { IN_MEMORY } from '../../events/inbox/sqlite.ts';
import { GatewayEnv } from '../../gateway/config.ts';
import { ConfigError, loadEnvFile, readEnv } from '../../runtime/env.ts';
import { runEventsCommand, UsageError } from './events.ts';

/* `npm run events`: lists the events in the inbox of a gateway, and replays parked ones. The gateway may run meanwhile. */

const InboxEnv = z.object(GatewayEnv.pick({ EVENTS_FILE: true, EVENTS_URL: true }).shape);

try {
  loadEnvFile(process.env);
  const { EVENTS_FILE: file, EVENTS_URL: url } = readEnv(InboxEnv, process.env, ['EVENTS_URL']);
  const path = file ?? DEFAULT_FILE;
  // It would be created, and look like an inbox in which nothing is parked.
  if (url === undefined && path !== IN_MEMORY && !existsSync(path)) {
    throw new ConfigError(
      `EVENTS_FILE: ${path} does not exist. Run the command in the folder and with the environment of the gateway. If only sandboxes send events, a gateway keeps them in memory: set EVENTS_FILE for both.`,
    );
  }
  const store = await openStore({ file, url });
  try {
    for (const line of await runEventsCommand(process.argv.slice(2), store)) console.log(line);
  } finally {
    await store.close();
  }
} catch (error) {
  const { message } = error as Error;
  if (error instanceof UsageError) process.exitCode = 2;
  else if (error instanceof ConfigError) process.exitCode = 78;
  else process.exitCode = 1;
  console.error(process.exitCode === 1 ? `The inbox cannot be read or written: ${message}` : message);
}
