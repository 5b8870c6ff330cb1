import { createCompany } from '../company.ts';
import { createMeters, type Quota } from '../quota.ts';
import { createRandom } from '../random.ts';
import {
  answering,
  type Described,
  type ListenOptions,
  type Provider,
  type Sandbox,
  type SandboxAnswer,
  type SandboxRequest,
  startSandboxServer,
} from '../server.ts';
import { invalid, json, StripeError } from './errors.ts';
import { Params } from './params.ts';
import { type Context, ROUTES, type Route } from './routes.ts';
import { createState } from './state.ts';

export type StripeSandboxOptions = ListenOptions & {
  /** The key that calls have to carry. */
  readonly apiKey?: string;
  /** What the account may call in all, and each endpoint by itself. Default: the provider's limits in live mode. */
  readonly quota?: { readonly account: Quota; readonly endpoint: Quota; readonly search: Quota };
  /** How long a new object stays out of the search index, in milliseconds. Default 5,000; the provider says under a minute. */
  readonly searchLagMs?: number;
  readonly now?: () => number;
};

export const STRIPE_SANDBOX_KEY = 'sk_test_tributary_sandbox';

const LIVE_QUOTA = {
  account: { calls: 100, windowMs: 1000 },
  endpoint: { calls: 25, windowMs: 1000 },
  search: { calls: 20, windowMs: 1000 },
};

const isSearch = (operation: string): boolean => operation.endsWith('/search');

/** Starts a stand-in for the Stripe API on the company's accounts. */
export const startStripeSandbox = ({
  apiKey = STRIPE_SANDBOX_KEY,
  quota = LIVE_QUOTA,
  searchLagMs = 5_000,
  now = Date.now,
  ...listen
}: StripeSandboxOptions = {}): Promise<Sandbox> => {
  const state = createState(createCompany());
  const random = createRandom(77);
  const account = createMeters(quota.account, now);
  const endpoints = createMeters(quota.endpoint, now);
  const searches = createMeters(quota.search, now);
  const idempotent = new Map<string, { fingerprint: string; answer: SandboxAnswer }>();

  const overQuota = (operation: string): string | undefined => {
    if (!account('').take()) return 'global-rate';
    if (isSearch(operation)) return searches('').take() ? undefined : 'endpoint-rate';
    return endpoints(operation).take() ? undefined : 'endpoint-rate';
  };

  const authorise = ({ headers }: SandboxRequest): void => {
    if (headers.authorization === `Bearer ${apiKey}`) return;
    throw new StripeError(401, {
      type: 'invalid_request_error',
      message: headers.authorization ? 'Invalid API Key provided' : 'You did not provide an API key.',
    });
  };

  const answerRoute = (request: SandboxRequest): SandboxAnswer => {
    const { route, id } = findRoute(request);
    const params = new Params(request);
    params.allowOnly(route.params);
    const context: Context = { state, params, random, now, searchLagMs };
    return json(200, route.answer(id, context));
  };

  /** A write that carries a key it was seen with before is answered as it was then, errors of the card included. */
  const answerOnce = (request: SandboxRequest, key: string): SandboxAnswer => {
    const fingerprint = `${request.path} ${new Params(request).fingerprint()}`;
    const seen = idempotent.get(key);
    if (seen) {
      if (seen.fingerprint !== fingerprint) {
        throw new StripeError(400, {
          type: 'idempotency_error',
          message: 'Keys for idempotent requests can only be used with the same parameters they were first used with.',
        });
      }
      return { ...seen.answer, headers: { ...seen.answer.headers, 'idempotent-replayed': 'true' } };
    }
    const answer = answering(() => answerRoute(request));
    idempotent.set(key, { fingerprint, answer });
    return answer;
  };

  const provider: Provider = {
    describe,
    handle: (request, { operation }) =>
      answering(() => {
        authorise(request);
        const limit = overQuota(operation);
        if (limit) {
          return { ...provider.errorAnswer(429), headers: { 'stripe-rate-limited-reason': limit } };
        }
        const key = request.headers['idempotency-key'];
        const answer =
          request.method === 'POST' && typeof key === 'string' ? answerOnce(request, key) : answerRoute(request);
        return { ...answer, headers: { ...answer.headers, 'request-id': `req_${random.token(14)}` } };
      }),
    errorAnswer: (status) => {
      const message = status === 429 ? 'Request rate limit exceeded.' : `The sandbox was asked to answer ${status}.`;
      const code = status === 429 ? { code: 'rate_limit' } : {};
      return json(status, { error: { type: status >= 500 ? 'api_error' : 'invalid_request_error', message, ...code } });
    },
  };
  return startSandboxServer(provider, listen);
};

const findRoute = ({ method, path }: Pick<SandboxRequest, 'method' | 'path'>): { route: Route; id: string } => {
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const match = new RegExp(`^${route.path.replace('{id}', '([A-Za-z0-9_]+)')}$`).exec(path);
    if (match) return { route, id: match[1] ?? '' };
  }
  throw new StripeError(404, {
    type: 'invalid_request_error',
    message: invalid(`Unrecognized request URL (${method}: ${path}).`).message,
  });
};

const describe = (request: SandboxRequest): Described => {
  try {
    const { route, id } = findRoute(request);
    const params = new Params(request);
    const asked = ['customer', 'email', 'query', 'payment_intent'].map((name) => params.text(name));
    return {
      operation: `${route.method} ${route.path}`,
      keys: [id, ...asked].filter((key): key is string => Boolean(key)),
    };
  } catch {
    return { operation: `${request.method} ${request.path}`, keys: [] };
  }
};
