import type { Refusal } from '../../runtime/http-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import type { AuthConfig } from './auth-config.ts';
import { readCredentials } from './credentials.ts';
import type { IssuerConfig } from './issuer-settings.ts';
import { createRemoteKeys, KeysUnavailableError, type RemoteKeys } from './remote-keys.ts';
import { createTokenVerifier, type TokenIssuer } from './tokens.ts';

/** Who sends a request, or why it is refused. `challenge` is the value of `WWW-Authenticate`. */
export type Authentication =
  | { readonly identity: Identity }
  | { readonly refusal: Refusal; readonly challenge?: string | undefined };

/** The part of an HTTP request that authenticates its sender. */
export type AuthenticatedMessage = { readonly rawHeaders: readonly string[] };

export type Authenticator = {
  readonly authenticate: (message: AuthenticatedMessage) => Promise<Authentication>;
  readonly close: () => Promise<void>;
};

// The same for every kind of invalid credentials: a reason would help those who guess.
const INVALID: Authentication = {
  refusal: {
    status: 401,
    message: 'The credentials are not valid. Log in again, or contact the operator.',
    code: 'UNAUTHENTICATED',
  },
  challenge: 'Bearer error="invalid_token"',
};

const MISSING: Authentication = {
  refusal: {
    status: 401,
    message: 'Credentials are required. Send them in the Authorization header.',
    code: 'UNAUTHENTICATED',
  },
  // RFC 6750, section 3.1: no error code for a request without credentials.
  challenge: 'Bearer',
};

const UNAVAILABLE: Authentication = {
  refusal: {
    status: 503,
    message: 'Credentials cannot be verified right now. Retry the request after the time in Retry-After.',
    code: 'AUTHENTICATION_UNAVAILABLE',
  },
};

const WITHOUT_CREDENTIALS: Readonly<Record<AuthConfig['withoutCredentials'], Authentication>> = {
  unrestricted: { identity: UNRESTRICTED },
  anonymous: { identity: ANONYMOUS },
  refused: MISSING,
};

/** Creates what tells who sends a request. Undefined if no authentication is configured. */
export const createAuthenticator = (
  { issuers, withoutCredentials }: AuthConfig,
  log: Log,
): Authenticator | undefined => {
  if (withoutCredentials === 'unrestricted') return undefined;
  const remoteKeys: RemoteKeys[] = [];
  const tokens = createTokenVerifier(
    issuers.map((issuer) => toTokenIssuer(issuer, remoteKeys, log)),
    log,
  );

  return {
    authenticate: async (message) => {
      const credentials = readCredentials(message, { apiKeys: false });
      if (credentials.kind === 'none') return WITHOUT_CREDENTIALS[withoutCredentials];
      if (credentials.kind !== 'token') return INVALID;
      try {
        const identity = await tokens.verify(credentials.token);
        return identity ? { identity } : INVALID;
      } catch (error) {
        if (error instanceof KeysUnavailableError) return UNAVAILABLE;
        throw error;
      }
    },
    close: async () => {
      await Promise.all(remoteKeys.map((keys) => keys.close()));
    },
  };
};

const toTokenIssuer = (config: IssuerConfig, remoteKeys: RemoteKeys[], log: Log): TokenIssuer => {
  const { staticKey } = config;
  if (staticKey !== undefined) return { ...config, getKey: async () => staticKey };
  const keys = createRemoteKeys({ ...config, log });
  remoteKeys.push(keys);
  return { ...config, getKey: keys.getKey, refresh: keys.refresh };
};
