import { startGateway } from '../../gateway/start.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { SCOPES } from './scopes.ts';
import { type Ask, createAsk } from './stack.ts';
import { headersOf, TOKEN_ENV } from './tokens.ts';

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

/** Starts a gateway with all subgraphs in its process, which knows people by their tokens. */
export const startGatewayForPeople = async (env: Readonly<Record<string, string>>): Promise<PeopleGateway> => {
  const { url, close } = await startGateway({ ...env, ...TOKEN_ENV });
  const ask = createAsk(`${url}/graphql`);
  return {
    as: (identity) => {
      const token = identity.method === 'anonymous' ? {} : headersOf(identity);
      return (query, variables, init) => ask(query, variables, { ...init, headers: { ...init?.headers, ...token } });
    },
    close,
  };
};
