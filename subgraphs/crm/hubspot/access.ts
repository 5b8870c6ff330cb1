import { type CachedCredential, createCachedCredential } from '../../../connectors/credential.ts';
import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { parseJson } from '../../../connectors/transports/parse.ts';
import { ConfigError } from '../../../runtime/env.ts';
import type { Endpoint } from './endpoints.ts';
import { Token } from './wire-types.ts';

type OAuthApp = { readonly clientId: string; readonly clientSecret: string; readonly refreshToken: string };

/** How requests are authenticated: with a private app's token, or through an OAuth app. */
export type Access = { readonly token: string } | OAuthApp;

/** The settings for authentication. */
type AccessSettings = {
  readonly ACCESS_TOKEN?: string | undefined;
  readonly CLIENT_ID?: string | undefined;
  readonly CLIENT_SECRET?: string | undefined;
  readonly REFRESH_TOKEN?: string | undefined;
};

/** Reads how requests are authenticated. Throws ConfigError naming each variable that is missing or in conflict with another. */
export const readAccess = ({
  ACCESS_TOKEN: token,
  CLIENT_ID: clientId,
  CLIENT_SECRET: clientSecret,
  REFRESH_TOKEN: refreshToken,
}: AccessSettings): Access => {
  if (token && (clientId || clientSecret || refreshToken)) {
    throw new ConfigError('HUBSPOT_ACCESS_TOKEN: set either this or the OAuth variables, not both.');
  }
  if (token) return { token };
  if (clientId && clientSecret && refreshToken) return { clientId, clientSecret, refreshToken };
  if (!clientId && !clientSecret && !refreshToken) {
    throw new ConfigError('HUBSPOT_ACCESS_TOKEN: is required to call HubSpot. Set this or the three OAuth variables.');
  }
  const missing = [
    !clientId && 'HUBSPOT_CLIENT_ID',
    !clientSecret && 'HUBSPOT_CLIENT_SECRET',
    !refreshToken && 'HUBSPOT_REFRESH_TOKEN',
  ].filter(Boolean);
  throw new ConfigError(`${missing.join(', ')}: required for OAuth beside the variables that are set.`);
};

/** Creates the access token of requests: a private app's, or an OAuth access token that all callers share. */
export const createAccessToken = (
  http: HttpConnector,
  { access, baseUrl }: { readonly access: Access; readonly baseUrl: string },
  endpoint: Endpoint,
): CachedCredential => {
  const { subgraph } = http;
  if ('token' in access) {
    return createCachedCredential({
      subgraph,
      acquire: async () => ({ value: access.token }),
      isRejected: () => false,
    });
  }
  return createCachedCredential({
    subgraph,
    acquire: () => refresh(http, `${baseUrl}${endpoint.path}`, endpoint, access),
    isRejected: (error) => isUpstreamError(error, 'UPSTREAM_UNAUTHORIZED') && error.details.status === 401,
  });
};

const refresh = async (
  http: HttpConnector,
  url: string,
  { method, operation }: Endpoint,
  { clientId, clientSecret, refreshToken }: OAuthApp,
) => {
  const form = {
    grant_type: 'refresh_token',
    client_id: clientId,
    client_secret: clientSecret,
    refresh_token: refreshToken,
  };
  try {
    const { body } = await http.send({
      operation,
      method,
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams(form).toString(),
      write: false,
      skipRateLimit: true,
    });
    const token = parseJson(Token, body, { subgraph: http.subgraph, operation });
    return { value: token.access_token, expiresInMs: token.expires_in * 1000 };
  } catch (error) {
    if (!isUpstreamError(error, 'UPSTREAM_REJECTED')) throw error;
    // HubSpot responds to a revoked refresh token with 400.
    throw new UpstreamError('UPSTREAM_UNAUTHORIZED', http.subgraph, 'the refresh token was rejected', {
      operation,
      status: error.details.status,
      cause: error,
    });
  }
};
