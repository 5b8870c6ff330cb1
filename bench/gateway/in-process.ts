import { readFileSync } from 'node:fs';
import { readConfig } from '../../gateway/config.ts';
import { startGatewayServer } from '../../gateway/http/server.ts';
import { createLocalTransport } from '../../gateway/transports/in-process.ts';
import { createFixedTransports } from '../../gateway/transports/transport.ts';
import { createLog } from '../../runtime/log.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { createSchema, SCHEMAS } from './shop.ts';

/* Tributary with in-process subgraphs. */

const log = createLog('error');
await startGatewayServer({
  config: readConfig(process.env, []),
  log,
  telemetry: createTelemetry(),
  supergraph: { sdl: readFileSync(process.env['SUPERGRAPH_FILE'] as string, 'utf8') },
  transports: createFixedTransports(
    Object.fromEntries(
      Object.keys(SCHEMAS).map((name) => {
        const subgraph = { name, schema: createSchema(name), createContext: () => ({}), close: async () => {} };
        return [name, createLocalTransport(subgraph, { log })] as const;
      }),
    ),
  ),
  redis: undefined,
  health: () => ({}),
});
