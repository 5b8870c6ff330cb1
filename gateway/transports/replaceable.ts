import type { Subgraph } from '../../subgraphs/kit/subgraph.ts';
import type { SubgraphOperation } from '../execution/subgraph-request.ts';
import { createLocalTransport, type LocalTransportOptions } from './in-process.ts';
import type { Transport } from './transport.ts';

/** A transport that can be replaced by another while requests run. */
export type ReplaceableTransport = Transport & {
  /** Returns the previous transport; requests that began with it still use it. */
  readonly replace: (next: Transport) => Transport;
};

export const createReplaceable = (first: Transport): ReplaceableTransport => {
  let current = first;
  return {
    encoding: first.encoding,
    prepare: (operation: SubgraphOperation) => {
      let of = current;
      let send = of.prepare(operation);
      return (request, context) => {
        if (of !== current) {
          of = current;
          send = of.prepare(operation);
        }
        return send(request, context);
      };
    },
    // A subscription goes on with the subgraph that it began with.
    prepareSubscription: (operation) => async (request, context, options) =>
      current.prepareSubscription?.(operation)(request, context, options) ?? [],
    close: () => current.close(),
    replace: (next) => {
      const before = current;
      current = next;
      return before;
    },
  };
};

/** Replaces the subgraphs of the same names. */
export const replaceAll = (
  transports: ReadonlyMap<string, ReplaceableTransport>,
  subgraphs: readonly Subgraph[],
  { graceMs, ...options }: LocalTransportOptions & { readonly graceMs: number },
): void => {
  for (const subgraph of subgraphs) {
    const before = transports.get(subgraph.name)?.replace(createLocalTransport(subgraph, options));
    // Requests that began before still use it, for as long as a request may take.
    setTimeout(() => void before?.close(), graceMs).unref();
    void subgraph.warmUp?.();
  }
};
