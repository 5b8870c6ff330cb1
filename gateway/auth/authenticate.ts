import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Refusal } from '../../runtime/http-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { raceAbort } from '../../runtime/race-abort.ts';
import type { Redis } from '../../runtime/redis.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import { type ApiKeyReader, verifyApiKey } from './api-key.ts';
import { createApiKeyFileReader } from './api-key-file.ts';
import type { ApiKeysConfig, AuthConfig } from './auth-config.ts';
import { createCertificateReader } from './certificates.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import { createDevelopmentIssuer, DEVELOPMENT_ISSUER, registerDevelopmentIssuer } from './development-issuer.ts';
import type { IssuerConfig } from './issuer-settings.ts';
import { createRemoteKeys, type RemoteKeys } from './remote-keys.ts';
import { createStaticKeys, type StaticKeys } from './static-keys.ts';
import { createTokenVerifier, type TokenIssuer } from './tokens.ts';
import { AuthenticationUnavailableError } from './unavailable.ts';

/** The sender of a request, or its refusal. `challenge` is the value of `WWW-Authenticate`. */
export type Authentication =
  | { readonly identity: Identity }
  | { readonly refusal: Refusal; readonly challenge?: string | undefined };

/** The part of an HTTP request that authenticates its sender. */
export type AuthenticatedMessage = { readonly rawHeaders: readonly string[]; readonly socket: Socket };

export type AuthInfrastructure = {
  readonly redis: Redis | undefined;
  readonly log: Log;
  /** Gets the routes of the development issuer, if there is one. */
  readonly app: FastifyInstance;
};

export type Authenticator = {
  /** Ends when `signal` fires, as if the credentials could not be verified. */
  readonly authenticate: (message: AuthenticatedMessage, signal: AbortSignal) => Promise<Authentication>;
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

/** Creates the authenticator. */
export const createAuthenticator = async (
  { issuers, keyFiles, apiKeys, certificates, withoutCredentials, development }: AuthConfig,
  { app, redis, log }: AuthInfrastructure,
): Promise<Authenticator> => {
  const developmentIssuer = development ? await createDevelopmentIssuer() : undefined;
  if (developmentIssuer) registerDevelopmentIssuer(app, developmentIssuer);
  const remoteKeys: RemoteKeys[] = [];
  const staticKeys = createStaticKeys({ issuers, keyFiles }, { log, onChange: () => tokens.clear() });
  const tokens = createTokenVerifier(
    [
      ...issuers.map((issuer) => toTokenIssuer(issuer, { staticKeys, remoteKeys, log })),
      ...(developmentIssuer ? [developmentIssuer.issuer] : []),
    ],
    log,
  );
  const apiKeyReader = apiKeys && (await createApiKeyReader(apiKeys, redis, log));

  const certificateReader = createCertificateReader(certificates, log);

  const withoutHeader = (socket: Socket): Authentication => {
    const identity = certificates.length > 0 ? certificateReader.identify(socket) : 'none';
    if (identity === 'none') return WITHOUT_CREDENTIALS[withoutCredentials];
    return identity === 'invalid' ? INVALID : { identity };
  };

  const verify = async (credentials: Credentials): Promise<Identity | undefined> => {
    if (credentials.kind === 'token') return tokens.verify(credentials.token);
    return credentials.kind === 'api-key' && apiKeyReader ? verifyApiKey(credentials.key, apiKeyReader) : undefined;
  };

  // Credentials are then ignored, except tokens of the development issuer: they may be for a subgraph.
  const isOpen = withoutCredentials === 'unrestricted';
  const isOfDevelopment = (credentials: Credentials): boolean =>
    credentials.kind === 'token' && tokens.claimsIssuer(credentials.token, DEVELOPMENT_ISSUER);

  return {
    authenticate: async (message, signal) => {
      const credentials = readCredentials(message, { apiKeys: apiKeys !== undefined });
      if (credentials.kind === 'none' || (isOpen && !isOfDevelopment(credentials)))
        return withoutHeader(message.socket);
      try {
        // Keys are fetched for all requests that need them, so one of these ends no fetch.
        const identity = await raceAbort(verify(credentials), signal, () => new AuthenticationUnavailableError());
        return identity ? { identity } : INVALID;
      } catch (error) {
        if (error instanceof AuthenticationUnavailableError) return UNAVAILABLE;
        throw error;
      }
    },
    close: async () => {
      staticKeys.close();
      await Promise.all(remoteKeys.map((keys) => keys.close()));
    },
  };
};

const createApiKeyReader = async (config: ApiKeysConfig, redis: Redis | undefined, log: Log): Promise<ApiKeyReader> => {
  if (config.store === 'file') return createApiKeyFileReader(config.path, log);
  if (!redis) throw new Error('API keys in Redis need a Redis.');
  return (await import('./api-key-redis.ts')).createApiKeyRedisReader(redis);
};

const toTokenIssuer = (
  config: IssuerConfig,
  { staticKeys, remoteKeys, log }: { staticKeys: StaticKeys; remoteKeys: RemoteKeys[]; log: Log },
): TokenIssuer => {
  const { issuer, staticKey } = config;
  if (staticKey !== undefined) return { ...config, getKey: async () => staticKeys.keyOf(issuer) ?? staticKey };
  const keys = createRemoteKeys({ ...config, log });
  remoteKeys.push(keys);
  return { ...config, getKey: keys.getKey, refresh: keys.refresh };
};
