import { MAX_ENTRIES, setBounded } from '../../../../sandbox/bounds.ts';
import { createCompany } from '../../../../sandbox/company.ts';
import { createMeter, type Quota } from '../../../../sandbox/quota.ts';
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
import { HubSpotError, json, notFound, rateLimited } from './errors.ts';
import { findRoute, isTokenRequest } from './routes.ts';
import { createState } from './state.ts';
import { createHubSpotWebhooks } from './webhooks.ts';

export type HubSpotSandboxOptions = ListenOptions & {
  /** The OAuth app, which may refresh tokens. */
  readonly oauth?: { readonly clientId: string; readonly clientSecret: string; readonly refreshToken: string };
  /** Lifetime of an access token, in seconds. Default 1,800. */
  readonly tokenLifetimeS?: number;
  /** Default: a private app of the free edition, 100 requests in 10 seconds, including 4 searches a second. */
  readonly quota?: { readonly account: Quota; readonly search: Quota };
  /** Maximum number of associations of one record in a response. Default 500. */
  readonly associationsPerPage?: number;
  /** Maximum number of records of a type, and of tokens; adding another removes the oldest. Default 10,000. */
  readonly maxEntries?: number;
  readonly now?: () => number;
};

export const HUBSPOT_SANDBOX_TOKEN = 'pat-sandbox-tributary';

/** The token of another private app of the same account, by setting name. */
export const otherCredential = { ACCESS_TOKEN: 'pat-sandbox-other' };

const TOKENS: readonly string[] = [HUBSPOT_SANDBOX_TOKEN, otherCredential.ACCESS_TOKEN];

const FREE_QUOTA = { account: { calls: 100, windowMs: 10_000 }, search: { calls: 4, windowMs: 1_000 } };

/** Starts a fake of the HubSpot API with the company's CRM data. */
export const startHubSpotSandbox = ({
  oauth,
  tokenLifetimeS = 1_800,
  quota = FREE_QUOTA,
  associationsPerPage = 500,
  maxEntries = MAX_ENTRIES,
  now = Date.now,
  ...listen
}: HubSpotSandboxOptions = {}): Promise<Sandbox> => {
  const webhooks = createHubSpotWebhooks(now);
  const state = createState(createCompany(), maxEntries, webhooks.report);
  const random = createRandom(99);
  const account = createMeter(quota.account, now);
  const searches = createMeter(quota.search, now);
  const issued = new Map<string, number>();

  const refresh = ({ body }: SandboxRequest): SandboxResponse => {
    const form = new URLSearchParams(body);
    const granted =
      oauth &&
      form.get('grant_type') === 'refresh_token' &&
      form.get('client_id') === oauth.clientId &&
      form.get('client_secret') === oauth.clientSecret &&
      form.get('refresh_token') === oauth.refreshToken;
    if (!granted) return json(400, BAD_REFRESH_TOKEN);
    const token = random.token(40);
    setBounded(issued, token, now() + tokenLifetimeS * 1000, maxEntries);
    return json(200, {
      access_token: token,
      refresh_token: oauth.refreshToken,
      expires_in: tokenLifetimeS,
      token_type: 'bearer',
      hub_id: 62515,
      scopes: ['oauth', 'crm.objects.contacts.read', 'crm.objects.contacts.write'],
    });
  };

  const authorise = ({ headers }: SandboxRequest): void => {
    const token = headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (TOKENS.includes(token) || (issued.get(token) ?? 0) > now()) return;
    throw new HubSpotError(401, 'INVALID_AUTHENTICATION', 'Authentication credentials not found.');
  };

  const rateHeaders = (): Record<string, string> => ({
    'x-hubspot-ratelimit-max': String(quota.account.calls),
    'x-hubspot-ratelimit-remaining': String(account.remaining()),
    'x-hubspot-ratelimit-interval-milliseconds': String(quota.account.windowMs),
    'x-hubspot-ratelimit-daily': '250000',
    'x-hubspot-ratelimit-daily-remaining': '249000',
  });

  const answerRoute = (request: SandboxRequest, operation: string): SandboxResponse => {
    authorise(request);
    if (!account.take()) return rateLimited('TEN_SECONDLY_ROLLING');
    if (isSearch(operation) && !searches.take()) return rateLimited('SECONDLY');
    const route = findRoute(request);
    if (!route) throw notFound();
    return route.handle(request, { state, now, associationsPerPage });
  };

  const provider: FakeProvider = {
    describe,
    handle: (request, { operation }) => {
      if (isTokenRequest(request)) return refresh(request);
      const response = catchResponse(() => answerRoute(request, operation));
      // According to HubSpot's usage guidelines, search responses lack the account's rate-limit headers.
      return isSearch(operation) ? response : { ...response, headers: { ...response.headers, ...rateHeaders() } };
    },
    errorResponse: (status) =>
      status === 429
        ? rateLimited('TEN_SECONDLY_ROLLING')
        : new HubSpotError(status, 'INTERNAL_ERROR', `The sandbox was asked to respond with ${status}.`).toResponse(),
  };
  return startSandboxServer(provider, { ...listen, webhooks: webhooks.sender });
};

// Source: https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses
const BAD_REFRESH_TOKEN = {
  error: 'invalid_grant',
  error_description: 'refresh token is invalid, expired or revoked',
  status: 'BAD_REFRESH_TOKEN',
  message: 'refresh token is invalid, expired or revoked',
};

const isSearch = (operation: string): boolean => operation.endsWith('/search');

const describe = (request: SandboxRequest): CallDescription => ({
  operation: findRoute(request)?.operation ?? `${request.method} ${request.path}`,
  keys: idsIn(request.body),
});

const idsIn = (body: string): string[] => {
  try {
    const { inputs } = JSON.parse(body) as { inputs?: { id?: unknown }[] };
    return inputs?.flatMap(({ id }) => (typeof id === 'string' ? [id] : [])) ?? [];
  } catch {
    return [];
  }
};

export const start = (options?: ListenOptions): Promise<Sandbox> => startHubSpotSandbox(options);

/** Returns the variables that point the provider's client at a sandbox. */
export const environment = ({ url }: { readonly url: string }) => ({
  HUBSPOT_BASE_URL: url,
  HUBSPOT_ACCESS_TOKEN: HUBSPOT_SANDBOX_TOKEN,
});
