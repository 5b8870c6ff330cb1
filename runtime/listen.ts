import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A listening address. Port 0 selects a free port. */
export type Address = { readonly port: number; readonly host: string };

/** Whether the kernel can distribute the connections of one port among processes. Node throws on other platforms. */
const CAN_SHARE_PORT = process.platform === 'linux';

/**
 * Returns the listen options for an address. Cluster workers listen on the port themselves (SO_REUSEPORT).
 *
 * By default, Node's primary process accepts all connections and passes them to the workers. A connection passed to a worker that
 * has just died is lost, and its client waits forever.
 */
export const listenOptions = ({ port, host }: Address): Address & { readonly reusePort?: true } => ({
  port,
  host,
  ...(cluster.isWorker && CAN_SHARE_PORT && { reusePort: true }),
});

/** Rejects like `listen` if another program uses the port. With SO_REUSEPORT, `listen` itself would succeed if both share it. */
export const assertPortFree = async (address: Address): Promise<void> => {
  if (cluster.worker?.id !== 1 || !CAN_SHARE_PORT) return;
  // `exclusive` bypasses the primary process of the cluster.
  const server = createServer().listen({ ...address, exclusive: true });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
};
