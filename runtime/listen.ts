import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Where a server listens. Port 0 takes any free one. */
export type Address = { readonly port: number; readonly host: string };

/** Where the kernel can deal the connections of one port out to several processes; Node fails elsewhere. */
const CAN_SHARE_PORT = process.platform === 'linux';

/**
 * How a server of this process is to listen at an address. A worker of a cluster listens for itself, beside the others: where
 * the first process accepts all connections and hands them on, as is Node's default, one that is handed to a worker that has
 * just died is lost, and its client waits for ever.
 */
export const listenOptions = ({ port, host }: Address): Address & { readonly reusePort?: true } => ({
  port,
  host,
  ...(cluster.isWorker && CAN_SHARE_PORT && { reusePort: true }),
});

/** Fails as `listen` does where another program has the port, which is no error where it shares its port too. */
export const checkIsFree = async (address: Address): Promise<void> => {
  if (cluster.worker?.id !== 1 || !CAN_SHARE_PORT) return;
  // Not by way of the cluster's first process.
  const server = createServer().listen({ ...address, exclusive: true });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
};
