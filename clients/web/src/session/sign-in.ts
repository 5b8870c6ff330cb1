import { makeVar, type ReactiveVar } from '@apollo/client';
import * as oauth from 'oauth4webapi';
import type { SignInSettings } from './settings.ts';

/*
 * Sign-in by OpenID Connect: authorization code with PKCE (RFC 7636). Tokens are kept in memory only, so a reloaded page gets new
 * ones, without a question while the issuer has a session.
 */

export type SignInState = {
  readonly isSignedIn: boolean;
  /** The name of who is signed in, if the issuer says it. */
  readonly name?: string | undefined;
  /** Why the last sign-in failed, in words for users of the desk. */
  readonly problem?: string | undefined;
};

export type SignIn = {
  readonly isRequired: boolean;
  readonly state: ReactiveVar<SignInState>;
  /** Leaves the page for the issuer's. Returns only if that fails; `state` then says why. */
  readonly signIn: () => Promise<void>;
  /** Leaves the page: for the issuer's, which ends its own session, if it has one for that. */
  readonly signOut: () => void;
  /** Returns the access token; undefined for none. If it has expired, leaves the page for a new one. */
  readonly getToken: () => Promise<string | undefined>;
  /** Whether the token has expired, so that `getToken` would leave the page. */
  readonly hasExpired: () => boolean;
  /** Takes a response to a request with the token. If it is a 401, leaves the page for a new token. */
  readonly checkResponse: (response: Response) => Promise<Response>;
};

/** The values that a redirect to the issuer and back has to be compared with. */
type Pending = {
  readonly state: string;
  readonly verifier: string;
  readonly nonce: string | undefined;
  /** The page to show afterwards. */
  readonly returnTo: string;
};

type Tokens = {
  readonly accessToken: string;
  readonly expiresAt: number;
  readonly idToken: string | undefined;
  /** Where the issuer ends its session. */
  readonly endSession: string | undefined;
  /** Whether the gateway has accepted the access token. */
  isAccepted: boolean;
};

const PENDING = 'tributary:sign-in';
/** Marks a tab in which somebody has signed in, and which gets a new token without a click. */
const SIGNED_IN = 'tributary:signed-in';

/** Time before its expiry at which a token is replaced, in milliseconds. */
const RENEW_BEFORE_MS = 10_000;

const HOME = '/desk/';

const take = (key: string): string | undefined => {
  const value = sessionStorage.getItem(key) ?? undefined;
  sessionStorage.removeItem(key);
  return value;
};

/** Removes the issuer's response from the address, and returns it. Undefined if the page was opened in another way. */
const takeResponse = (): URLSearchParams | undefined => {
  const parameters = new URLSearchParams(location.search);
  if (!parameters.has('code') && !parameters.has('error')) return undefined;
  history.replaceState(null, '', HOME);
  return parameters;
};

const never = new Promise<never>(() => {});

/** Creates the sign-in. Completes one that is under way, and renews that of this tab. */
export const createSignIn = async (settings: SignInSettings): Promise<SignIn> => {
  const { clientId, scopes, audience, isRequired } = settings;
  const issuer = new URL(settings.issuer);
  const client: oauth.Client = { client_id: clientId };
  const options = { [oauth.allowInsecureRequests]: issuer.protocol === 'http:' };
  const redirectUri = `${location.origin}${HOME}`;
  const state = makeVar<SignInState>({ isSignedIn: false });
  let tokens: Tokens | undefined;

  const fail = (problem: string): void => {
    tokens = undefined;
    sessionStorage.removeItem(SIGNED_IN);
    state({ isSignedIn: false, problem });
  };

  const discover = async (): Promise<oauth.AuthorizationServer> =>
    oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));

  const start = async (): Promise<URL> => {
    const { authorization_endpoint: endpoint } = await discover();
    if (!endpoint) throw new Error('The issuer has no authorization endpoint.');
    const pending: Pending = {
      state: oauth.generateRandomState(),
      verifier: oauth.generateRandomCodeVerifier(),
      // Without the scope, there is no ID token that could have it.
      nonce: scopes.includes('openid') ? oauth.generateRandomNonce() : undefined,
      returnTo: `${location.pathname}${location.search}`,
    };
    const url = new URL(endpoint);
    const parameters = {
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: scopes.join(' '),
      code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      state: pending.state,
      ...(pending.nonce && { nonce: pending.nonce }),
      ...(audience && { audience }),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    return url;
  };

  const leave = async (go: (url: URL) => void): Promise<void> => {
    try {
      if (!isSecureContext) return fail('Signing in needs HTTPS. Open the desk by an https address.');
      go(await start());
    } catch (error) {
      return fail(describe(error));
    }
    return never;
  };

  let renewal: Promise<void> | undefined;
  // Replaces the page: going back should not lead to one whose token has expired.
  const renew = (): Promise<void> => {
    sessionStorage.removeItem(SIGNED_IN);
    renewal ??= leave((url) => location.replace(url)).finally(() => {
      renewal = undefined;
    });
    return renewal;
  };

  const complete = async (parameters: URLSearchParams, { verifier, nonce, ...pending }: Pending): Promise<void> => {
    const server = await discover();
    const valid = oauth.validateAuthResponse(server, client, parameters, pending.state);
    history.replaceState(null, '', pending.returnTo);
    const result = await oauth.processAuthorizationCodeResponse(
      server,
      client,
      await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), valid, redirectUri, verifier, options),
      nonce ? { expectedNonce: nonce } : {},
    );
    const { access_token: accessToken, expires_in: seconds = Number.POSITIVE_INFINITY, id_token: idToken } = result;
    tokens = {
      accessToken,
      expiresAt: Date.now() + seconds * 1_000 - RENEW_BEFORE_MS,
      idToken,
      endSession: server.end_session_endpoint,
      isAccepted: false,
    };
    const claims = oauth.getValidatedIdTokenClaims(result);
    const name = [claims?.['name'], claims?.['preferred_username'], claims?.['email'], claims?.sub].find(isText);
    sessionStorage.setItem(SIGNED_IN, 'yes');
    state({ isSignedIn: true, name });
  };

  const response = takeResponse();
  const pending = take(PENDING);
  if (response) {
    try {
      if (!pending) throw new Error('No sign-in is under way in this tab.');
      await complete(response, JSON.parse(pending));
    } catch (error) {
      fail(describe(error));
    }
  } else if (sessionStorage.getItem(SIGNED_IN)) {
    await renew();
  }

  const hasExpired = (): boolean => tokens?.isAccepted === true && Date.now() >= tokens.expiresAt;

  return {
    isRequired,
    state,
    hasExpired,
    signIn: () => leave((url) => location.assign(url)),
    signOut: () => {
      sessionStorage.removeItem(SIGNED_IN);
      const { endSession, idToken } = tokens ?? {};
      if (!endSession) return location.replace(HOME);
      const url = new URL(endSession);
      url.searchParams.set('client_id', clientId);
      url.searchParams.set('post_logout_redirect_uri', redirectUri);
      if (idToken) url.searchParams.set('id_token_hint', idToken);
      return location.replace(url);
    },
    getToken: async () => {
      // An issuer whose tokens live for a moment only would be asked again and again.
      if (hasExpired()) await renew();
      return tokens?.accessToken;
    },
    checkResponse: async (answer) => {
      if (!tokens) return answer;
      if (answer.status !== 401) tokens.isAccepted = true;
      else if (tokens.isAccepted) await renew();
      // A new one would be refused as well, and so on without end.
      else fail('Tributary does not accept the token of the identity provider. Contact the operator.');
      return answer;
    },
  };
};

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Error codes of RFC 6749, sections 4.1.2.1 and 5.2, and of OpenID Connect. */
const WORDS: Readonly<Record<string, string>> = {
  access_denied: 'Access was denied.',
  invalid_client: 'It does not know the desk. Contact the operator.',
  invalid_grant: 'The sign-in took too long or was used before. Sign in again.',
  invalid_scope: 'It does not grant the scopes of the desk. Contact the operator.',
  login_required: 'It asks you to log in.',
  server_error: 'It has failed. Try again later.',
  temporarily_unavailable: 'It is unavailable. Try again later.',
  unauthorized_client: 'It does not admit the desk. Contact the operator.',
};

/** Describes why a sign-in failed, for users of the desk. */
const describe = (error: unknown): string => {
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const { error: code, error_description: description } = error;
    const why = WORDS[code] ?? `${code}.`;
    return `The identity provider refused the sign-in. ${why}${description ? ` It says: ${description}` : ''}`;
  }
  // A network error of `fetch`. Errors of the library have a code.
  if (error instanceof TypeError && !('code' in error))
    return 'The identity provider cannot be reached from this page. Try again, or contact the operator.';
  return 'The sign-in does not match the one that was started here, or its response cannot be used. Sign in again.';
};
