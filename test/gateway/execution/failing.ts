import type { Transport } from '../../../gateway/transports/transport.ts';
import { startWithTransports, type TransportOptions } from '../../helpers/federation.ts';
import type { SubgraphDefinition } from '../../helpers/subgraph-server.ts';

/** The ways in which a fetch fails. An in-process subgraph has no connection; there, connection faults throw instead. */
export const FAULTS = [
  'connection closed',
  'status 500',
  'not JSON',
  'no data',
  'an error and no data',
  'an error for each root field',
  'too few entities',
  'too many entities',
  'an entity that failed',
  'an entity that failed, without a path',
  'an entity that is no object',
] as const;
export type Fault = (typeof FAULTS)[number];

type Reply = { readonly data?: unknown; readonly errors?: readonly object[] | undefined };

/** Returns how a fetch fails, or a replacement response. Undefined if it does not fail. */
export type FaultOf = (subgraph: string, query: string, variables: object) => Fault | Reply | undefined;

const ERROR = { message: 'Failed on purpose.', extensions: { code: 'UPSTREAM_UNAVAILABLE' } };

/** Applies a fault to a subgraph's response. Entity faults remove the data if the response has no entities. */
const spoil = (answer: Reply, fault: Fault | Reply): Reply => {
  if (typeof fault === 'object') return fault;
  const data = (answer.data ?? undefined) as Record<string, unknown> | undefined;
  const [name = '', entities] = Object.entries(data ?? {}).find(([, value]) => Array.isArray(value)) ?? [];
  const isOfEntities = name.startsWith('_entities') && Array.isArray(entities) && entities.length > 0;
  const withEntities = (changed: unknown[], errors = answer.errors): Reply =>
    isOfEntities ? { ...answer, data: { ...data, [name]: changed }, errors } : { data: null, errors: [ERROR] };
  const others = isOfEntities ? entities.slice(0, -1) : [];
  switch (fault) {
    case 'no data':
      return { data: null };
    case 'an error for each root field': {
      const names = Object.keys(data ?? {});
      if (names.length === 0) return { data: null, errors: [ERROR] };
      const errors = names.map((path) => ({ ...ERROR, path: [path] }));
      return { data: Object.fromEntries(names.map((path) => [path, null])), errors };
    }
    case 'too few entities':
      return withEntities(others);
    case 'too many entities':
      return withEntities([...others, {}, {}]);
    case 'an entity that failed':
      return withEntities([...others, null], [...(answer.errors ?? []), { ...ERROR, path: [name, others.length] }]);
    case 'an entity that failed, without a path':
      return withEntities([...others, null], [...(answer.errors ?? []), ERROR]);
    case 'an entity that is no object':
      return withEntities([...others, 'nonsense']);
    default:
      return { data: null, errors: [ERROR] };
  }
};

/** Applies faults to an in-process subgraph. */
const withFaults = (name: string, transport: Transport, faultOf: FaultOf): Transport => ({
  ...transport,
  prepare: (operation) => {
    const send = transport.prepare(operation);
    return async (request, context) => {
      const { variables, representations } = request;
      const entities = Object.fromEntries(representations.map(({ variable, values }) => [variable, values]));
      const fault = faultOf(name, operation.query, { ...variables, ...entities });
      const answer = await send(request, context);
      return fault ? (spoil(answer, fault) as typeof answer) : answer;
    };
  },
});

/**
 * Controls the order in which responses reach the gateway, independent of timing. Responses are held until every fetch in flight
 * has one. Then one of them is released, and the fetches that the gateway sends because of it are awaited.
 */
const createGate = (pick: (subgraphs: readonly string[]) => number) => {
  const held: { readonly name: string; readonly release: () => void }[] = [];
  let underWay = 0;
  let isScheduled = false;
  const releaseOne = (): void => {
    isScheduled = false;
    if (held.length === 0 || held.length < underWay) return;
    const [one] = held.splice(pick(held.map(({ name }) => name)), 1);
    underWay -= 1;
    one?.release();
    schedule();
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(releaseOne);
  };
  return (name: string, transport: Transport): Transport => ({
    ...transport,
    prepare: (operation) => {
      const send = transport.prepare(operation);
      return async (request, context) => {
        underWay += 1;
        const answer = await send(request, context);
        await new Promise<void>((release) => {
          held.push({ name, release });
          schedule();
        });
        return answer;
      };
    },
  });
};

export type FailingOptions = Omit<TransportOptions, 'wrap'> & {
  /** Decides which fetches fail. */
  readonly faultOf: FaultOf;
  /** Selects which of the waiting subgraph responses the gateway receives next. */
  readonly pick: (subgraphs: readonly string[]) => number;
};

/** Starts a gateway with subgraphs whose fetches fail, and whose responses arrive in a chosen order. */
export const startFailing = async (
  definitions: Readonly<Record<string, SubgraphDefinition>>,
  { faultOf, pick, ...options }: FailingOptions,
) => {
  const gated = createGate(pick);
  const gateway = await startWithTransports(definitions, {
    ...options,
    wrap: (name, transport) => gated(name, options.isLocal ? withFaults(name, transport, faultOf) : transport),
  });
  for (const [name, server] of Object.entries(gateway.servers)) {
    server.before = async (response, request) => {
      const fault = faultOf(name, request.query, request.variables);
      if (!fault) return false;
      if (fault === 'connection closed') response.destroy();
      else if (fault === 'status 500') response.writeHead(500).end('down');
      else {
        const text = fault === 'not JSON' ? '{"data":' : JSON.stringify(spoil(await server.execute(request), fault));
        response.writeHead(200, { 'content-type': 'application/json' }).end(text);
      }
      return true;
    };
  }
  return gateway;
};
