import { type CachedCredential, createCachedCredential } from '../../../connectors/credential.ts';
import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { parseJson } from '../../../connectors/transports/parse.ts';
import type { HubSpotConfig, OAuthApp } from './config.ts';
import type { Endpoint } from './endpoints.ts';
import { Token } from './wire-types.ts';

/** The token that calls carry: a private app's own, or an OAuth access token, renewed once for all callers. */
export const createAccessToken = (
  http: HttpConnector,
  { access, baseUrl }: HubSpotConfig,
  endpoint: Endpoint,
): CachedCredential => {
  const { upstream } = http;
  if ('token' in access) {
    return createCachedCredential({
      upstream,
      acquire: async () => ({ value: access.token }),
      isRejected: () => false,
    });
  }
  return createCachedCredential({
    upstream,
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
    const token = parseJson(Token, body, { upstream: http.upstream, operation });
    return { value: token.access_token, expiresInMs: token.expires_in * 1000 };
  } catch (error) {
    if (!isUpstreamError(error, 'UPSTREAM_REJECTED')) throw error;
    // A refresh token that was revoked answers 400.
    throw new UpstreamError('UPSTREAM_UNAUTHORIZED', http.upstream, 'the refresh token is no longer taken', {
      operation,
      status: error.details.status,
      cause: error,
    });
  }
};
