import { MAX_ENTRIES, setBounded } from '../../../../sandbox/bounds.ts';
import { createCompany } from '../../../../sandbox/company.ts';
import { createMeters, type Quota } from '../../../../sandbox/quota.ts';
import { createRandom } from '../../../../sandbox/random.ts';
import {
  type CallDescription,
  catchResponse,
  type FakeProvider,
  type ListenOptions,
  type Sandbox,
  type SandboxRequest,
  type SandboxResponse,
  startSandboxServer,
} from '../../../../sandbox/server.ts';
import type { Context } from './context.ts';
import { invalid, isValidationError, json, StripeError } from './errors.ts';
import { API_VERSION } from './events.ts';
import { checkPaths } from './expand.ts';
import { Params } from './params.ts';
import { ROUTES, type Route } from './routes.ts';
import { createState } from './state.ts';
import { createStripeWebhooks } from './webhooks.ts';

export type StripeSandboxOptions = ListenOptions & {
  /** Rate limits of the account, of each endpoint and of the search. Default: Stripe's limits in live mode. */
  readonly quota?: { readonly account: Quota; readonly endpoint: Quota; readonly search: Quota };
  /** Delay before a new object is in the search index, in milliseconds. Default 5,000; Stripe documents under a minute. */
  readonly searchLagMs?: number;
  /** Maximum number of objects of a kind, events and idempotency keys; adding another removes the oldest. Default 10,000. */
  readonly maxEntries?: number;
  readonly now?: () => number;
};

export const STRIPE_SANDBOX_KEY = 'sk_test_tributary_sandbox';

/** Another key of the same account, by setting name. */
export const otherCredential = { API_KEY: 'rk_test_tributary_sandbox' };

const KEYS: readonly string[] = [STRIPE_SANDBOX_KEY, otherCredential.API_KEY];

const LIVE_QUOTA = {
  account: { calls: 100, windowMs: 1000 },
  endpoint: { calls: 25, windowMs: 1000 },
  search: { calls: 20, windowMs: 1000 },
};

/** Lifetime of an idempotency key, in milliseconds. */
const KEY_LIFETIME_MS = 24 * 3_600_000;

/** Maximum number of characters of an idempotency key. */
const MAX_KEY_LENGTH = 255;

const isSearch = (operation: string): boolean => operation.endsWith('/search');

/** Starts a fake of the Stripe API with the company's accounts. */
export const startStripeSandbox = ({
  quota = LIVE_QUOTA,
  searchLagMs = 5_000,
  maxEntries = MAX_ENTRIES,
  now = Date.now,
  ...listen
}: StripeSandboxOptions = {}): Promise<Sandbox> => {
  const webhooks = createStripeWebhooks(now);
  const state = createState(createCompany(), maxEntries, (event) => webhooks.send({ type: event.type, event }));
  const random = createRandom(77);
  const requestIds = createRandom(78);
  const account = createMeters(quota.account, now);
  const endpoints = createMeters(quota.endpoint, now);
  const searches = createMeters(quota.search, now);
  const idempotent = new Map<string, { fingerprint: string; response: SandboxResponse; at: number }>();

  const overQuota = (operation: string): string | undefined => {
    if (!account('').take()) return 'global-rate';
    if (isSearch(operation)) return searches('').take() ? undefined : 'endpoint-rate';
    return endpoints(operation).take() ? undefined : 'endpoint-rate';
  };

  const authorise = ({ headers }: SandboxRequest): void => {
    if (KEYS.includes(keyOf(headers.authorization))) return;
    throw new StripeError(401, {
      type: 'invalid_request_error',
      message: headers.authorization ? 'Invalid API Key provided' : 'You did not provide an API key.',
    });
  };

  /** Validates everything that does not depend on the account's data, before the request is carried out. */
  const prepare = (request: SandboxRequest, { route }: FoundRoute, requestId: string): Context => {
    if (request.method === 'POST' && !isForm(request)) {
      throw invalid('Invalid request (check that your POST content type is application/x-www-form-urlencoded).');
    }
    const params = new Params(request);
    params.allowOnly(route.params);
    checkPaths(route.returns, params.list('expand'));
    const idempotencyKey = idempotencyKeyOf(request);
    return { state, params, random, now, searchLagMs, requestId, idempotencyKey };
  };

  const runRoute = ({ route, id }: FoundRoute, context: Context): SandboxResponse =>
    json(200, route.handle(id, context));

  /**
   * Handles a write with an idempotency key. A repeated key returns the stored response, including card errors. A write that
   * was rejected because of its parameters was not carried out, so its key can be used again.
   */
  const handleOnce = (request: SandboxRequest, found: FoundRoute, key: string, requestId: string): SandboxResponse => {
    const fingerprint = `${request.path} ${new Params(request).fingerprint()}`;
    for (const [old, { at }] of idempotent) {
      if (at > now() - KEY_LIFETIME_MS) break;
      idempotent.delete(old);
    }
    const seen = idempotent.get(key);
    if (seen && seen.fingerprint !== fingerprint) {
      throw new StripeError(400, {
        type: 'idempotency_error',
        message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
      });
    }
    if (seen) return { ...seen.response, headers: { ...seen.response.headers, 'idempotent-replayed': 'true' } };
    const context = prepare(request, found, requestId);
    const plain = storable(() => runRoute(found, context));
    const response = { ...plain, headers: { ...plain.headers, 'idempotency-key': key, 'original-request': requestId } };
    setBounded(idempotent, key, { fingerprint, response, at: now() }, maxEntries);
    return response;
  };

  const handle = (request: SandboxRequest, operation: string, requestId: string): SandboxResponse => {
    const found = findRoute(request);
    authorise(request);
    const limit = overQuota(operation);
    if (limit) return { ...errorResponse(429), headers: { ...JSON_HEADERS, 'stripe-rate-limited-reason': limit } };
    const key = idempotencyKeyOf(request);
    if (key !== undefined) return handleOnce(request, found, key, requestId);
    return runRoute(found, prepare(request, found, requestId));
  };

  const identify = (response: SandboxResponse, requestId: string, version: string = API_VERSION): SandboxResponse => ({
    ...response,
    headers: { ...response.headers, 'request-id': requestId, 'stripe-version': version },
  });

  const newRequestId = () => `req_${requestIds.token(14)}`;

  const provider: FakeProvider = {
    describe,
    handle: (request, { operation }) => {
      const requestId = newRequestId();
      const version = request.headers['stripe-version'];
      return identify(
        catchResponse(() => handle(request, operation, requestId)),
        requestId,
        version?.toString(),
      );
    },
    errorResponse: (status) => identify(errorResponse(status), newRequestId()),
  };
  return startSandboxServer(provider, { ...listen, webhooks });
};

/** Returns the response of a write to be stored, including errors. Rethrows errors of its parameters. */
const storable = (work: () => SandboxResponse): SandboxResponse => {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StripeError) || isValidationError(error)) throw error;
    return error.toResponse();
  }
};

const JSON_HEADERS = { 'content-type': 'application/json' };

/** Creates Stripe's response to a failure that the request did not cause. */
const errorResponse = (status: number): SandboxResponse => {
  const message = status === 429 ? 'Request rate limit exceeded.' : `The sandbox was asked to respond with ${status}.`;
  const code = status === 429 ? { code: 'rate_limit' } : {};
  const type = status >= 500 ? 'api_error' : 'invalid_request_error';
  return new StripeError(status, { type, message, ...code }).toResponse();
};

/** Returns the API key: the bearer token, or the user name of basic authentication. */
const keyOf = (authorization = ''): string => {
  const [, scheme = '', credentials = ''] = /^(\w+) (.*)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() !== 'basic') return credentials;
  return Buffer.from(credentials, 'base64').toString().replace(/:.*$/s, '');
};

const isForm = ({ headers, body }: SandboxRequest): boolean =>
  body === '' || headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;

/** Returns the idempotency key of a write. Reads ignore it. */
const idempotencyKeyOf = ({ method, headers }: SandboxRequest): string | undefined => {
  const key = method === 'POST' ? headers['idempotency-key']?.toString() : undefined;
  if (key && key.length > MAX_KEY_LENGTH) {
    throw invalid(`Idempotency keys have up to ${MAX_KEY_LENGTH} characters.`);
  }
  return key || undefined;
};

type FoundRoute = { readonly route: Route; readonly id: string };

const PATTERNS = ROUTES.map((route) => ({ route, pattern: new RegExp(`^${route.path.replace('{id}', '([^/]+)')}$`) }));

const findRoute = ({ method, path }: Pick<SandboxRequest, 'method' | 'path'>): FoundRoute => {
  for (const { route, pattern } of PATTERNS) {
    const match = route.method === method ? pattern.exec(path) : null;
    if (match) return { route, id: match[1] ?? '' };
  }
  throw new StripeError(404, {
    type: 'invalid_request_error',
    message: `Unrecognized request URL (${method}: ${path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
  });
};

const describe = (request: SandboxRequest): CallDescription => {
  try {
    const { route, id } = findRoute(request);
    const params = new Params(request);
    const values = ['customer', 'email', 'query', 'payment_intent', 'charge'].map((name) => params.text(name));
    return {
      operation: `${route.method} ${route.path}`,
      keys: [id, ...values].filter((key): key is string => Boolean(key)),
    };
  } catch {
    return { operation: `${request.method} ${request.path}`, keys: [] };
  }
};

export const start = (options?: ListenOptions): Promise<Sandbox> => startStripeSandbox(options);

/** Returns the variables that point the provider's client at a sandbox. */
export const environment = ({ url }: { readonly url: string }) => ({
  STRIPE_BASE_URL: url,
  STRIPE_API_KEY: STRIPE_SANDBOX_KEY,
});
