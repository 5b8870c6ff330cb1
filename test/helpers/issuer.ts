import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JWK } from 'jose';
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server';
import { startHttpServer } from './http-server.ts';

export type TokenParts = {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
};

export type TestIssuer = {
  readonly url: string;
  /** The paths of all requests so far. */
  readonly requests: string[];
  /** Called before each response; returns true if it has sent its own, or none. */
  before: (response: ServerResponse, request: IncomingMessage) => boolean;
  /** Signs with a new key from now on, and publishes the keys before only with `keep`. Returns the public part. */
  readonly rotate: (options?: { algorithm?: string; keep?: boolean }) => Promise<JWK>;
  /** Signs a token with the current key. A claim that is undefined is left out. */
  readonly sign: (parts?: TokenParts) => Promise<string>;
  /** Returns what serves the current key, for its events. */
  readonly service: () => OAuth2Service;
  readonly close: () => Promise<void>;
};

export const AUDIENCE = 'https://graph.example';

/** Starts an OpenID Connect issuer. Its tokens are of the subject `ada`, for `AUDIENCE`. */
export const startIssuer = async (): Promise<TestIssuer> => {
  const requests: string[] = [];
  let current = createService();
  let kid: string | undefined;
  const server = await startHttpServer((request, response) => {
    requests.push(request.url ?? '');
    if (!started.before(response, request)) current.service.requestHandler(request, response);
  });
  const started: TestIssuer = {
    url: server.url,
    requests,
    before: () => false,
    rotate: async ({ algorithm = 'ES256', keep = false } = {}) => {
      if (!keep) current = createService();
      current.issuer.url = server.url;
      ({ kid } = await current.issuer.keys.generate(algorithm));
      return current.issuer.keys.toJSON().at(-1) as JWK;
    },
    sign: ({ claims = {}, header = {} } = {}) =>
      current.issuer.buildToken({
        kid,
        scopesOrTransform: (tokenHeader, payload) => {
          Object.assign(tokenHeader, header);
          Object.assign(payload, { sub: 'ada', aud: AUDIENCE }, claims);
        },
      }),
    service: () => current.service,
    close: server.close,
  };
  await started.rotate();
  return started;
};

const createService = () => {
  const issuer = new OAuth2Issuer();
  return { issuer, service: new OAuth2Service(issuer) };
};

export const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
