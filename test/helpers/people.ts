import { readFile } from 'node:fs/promises';
import { readConfig } from '../../gateway/config.ts';
import { startGatewayServer } from '../../gateway/http/server.ts';
import { SUPERGRAPH_FILE } from '../../gateway/supergraph/files.ts';
import { createLocalTransport } from '../../gateway/transports/in-process.ts';
import { createFixedTransports } from '../../gateway/transports/transport.ts';
import { createLog } from '../../runtime/log.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { ANONYMOUS, type Identity } from '../../subgraphs/kit/identity.ts';
import { createProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { SCOPES } from './scopes.ts';
import { type Ask, createAsk } from './stack.ts';

const person = (subject: string, scopes: readonly string[], customerEmail?: string): Identity => ({
  method: 'jwt',
  subject,
  scopes: new Set(scopes),
  ...(customerEmail !== undefined && { customerEmail }),
  claims: {},
});

export const ADMINISTRATOR = person(
  'administrator',
  [...SCOPES].filter((scope) => scope !== 'self:read'),
);

/** The sample employees. */
export const EMPLOYEES: readonly Identity[] = [
  ADMINISTRATOR,
  person('support', ['customers:read', 'deals:read', 'payments:read']),
  person('finance', ['customers:read', 'payments:read', 'payments:write', 'payments:refund']),
  person('warehouse', ['inventory:read', 'inventory:write']),
];

/** A customer as customers usually are. */
export const customer = (email: string): Identity => person(email, ['self:read'], email);

/** A customer with all scopes. */
export const customerWithAllScopes = (email: string): Identity =>
  person(`${email}, with all scopes`, [...SCOPES], email);

export type PeopleGateway = {
  /** Returns a client of a person. */
  readonly as: (identity: Identity) => Ask;
  readonly close: () => Promise<void>;
};

/** Starts a gateway with all subgraphs in its process, to which clients only need to say who they are. */
export const startGatewayForPeople = async (env: Readonly<Record<string, string>>): Promise<PeopleGateway> => {
  const config = readConfig(env, []);
  const log = createLog(config.logLevel);
  const { infrastructure, redis, health } = createProcessInfrastructure(env, log);
  const created = subgraphs.map(({ create }) => create(env, infrastructure));
  const people = new Map<string, Identity>();
  const { url, close } = await startGatewayServer({
    config,
    log,
    supergraph: { sdl: await readFile(SUPERGRAPH_FILE, 'utf8') },
    transports: createFixedTransports(
      Object.fromEntries(created.map((subgraph) => [subgraph.name, createLocalTransport(subgraph, log)])),
    ),
    redis,
    health,
    authenticate: async ({ headers }) => people.get(decodeURIComponent(String(headers['x-person']))) ?? ANONYMOUS,
  });
  const ask = createAsk(`${url}/graphql`);
  return {
    as: (identity) => {
      people.set(identity.subject, identity);
      return (query, variables, init) =>
        ask(query, variables, {
          ...init,
          headers: { ...init?.headers, 'x-person': encodeURIComponent(identity.subject) },
        });
    },
    close,
  };
};
