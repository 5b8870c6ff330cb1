import { createHash } from 'node:crypto';
import type { BlockList } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { BROKER_SECRETS, BROKER_SHAPE, type BrokerConfig, toBrokerConfig } from '../events/brokers/settings.ts';
import { EVENTS_SHAPE, type EventStoreConfig, toEventStoreConfig } from '../events/settings.ts';
import { ADMIN_SHAPE, type AdminConfig, toAdminConfig } from '../runtime/admin/config.ts';
import type { AdmissionLimits } from '../runtime/admission.ts';
import { ConfigError, type Env, HttpUrl, namesOfSet, readEach, readEnv } from '../runtime/env.ts';
import { createHostPolicy, type HostPolicy } from '../runtime/hosts.ts';
import {
  allowedHosts,
  HttpEnv,
  type HttpLimits,
  Milliseconds,
  OptionalMilliseconds,
  toHttpLimits,
} from '../runtime/http-limits.ts';
import { LOG_LEVELS, type Log } from '../runtime/log.ts';
import type { TlsFiles } from '../runtime/tls.ts';
import { fileVariables, watchFiles } from '../runtime/watch-files.ts';
import type { DocumentLimits } from '../subgraphs/kit/limits/document-limits.ts';
import { CLIENT_LIMITS, createLimitsShape, readLimits } from '../subgraphs/kit/limits/limits-env.ts';
import {
  createRequestSigner,
  SECRET_REQUIRED,
  type SignRequest,
  SubgraphSecret,
} from '../subgraphs/kit/protocol/signed-identity.ts';
import { createSubgraphSecrets } from '../subgraphs/kit/protocol/subgraph-secrets.ts';
import { METRICS_SHAPE, type MetricsConfig, toMetricsConfig } from '../telemetry/metrics/config.ts';
import { OTLP_SECRETS, OTLP_SHAPE, toOtlpConfig } from '../telemetry/otlp.ts';
import type { RequestLogOptions } from '../telemetry/request-log.ts';
import { READINESS_SHAPE, type Readiness, readinessProblem } from '../telemetry/status/readiness.ts';
import { TRACES_SHAPE, type TracesConfig, toTracesConfig } from '../telemetry/traces/config.ts';
import type { AuditConfig } from './audit/audit.ts';
import { BUNDLED_ARGUMENTS } from './audit/bundled-arguments.ts';
import { fileOfWriter } from './audit/file.ts';
import { AUTH_SECRETS, type AuthConfig, AuthEnv, readAuthConfig } from './auth/auth-config.ts';
import type { EstimateLimits } from './cost/estimate-limits.ts';
import type { FetchedBytesLimits } from './cost/fetched-bytes.ts';
import type { SubscriptionLimits } from './subscriptions/registry.ts';
import { readWorkerEnv, type WorkerSettings } from './worker-env.ts';

const Port = z.coerce.number().int().min(0).max(65_535);
const Count = z.coerce.number().int().positive();
const List = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

const HeaderNames = List.refine(
  (names) => names.every((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name)),
  'must be header names, e.g. x-request-id,traceparent',
);

// Origins are compared as strings with those that browsers send. A trailing slash or a default port would never match.
const isOrigin = (text: string): boolean =>
  URL.parse(text)?.origin === text || /^(\*|null|(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^/\s]+)$/.test(text);

const Origins = List.refine(
  (origins) => origins.every(isOrigin),
  'must be origins as browsers send them, e.g. https://app.example, or * for any',
);

const Coordinates = List.refine(
  (coordinates) => coordinates.every((one) => /^\w+(\.\w+)+$/.test(one)),
  'must be arguments of mutations, e.g. refundPayment.input.paymentId,setStock.input.sku',
);

const Timeouts = List.transform((items, context) => {
  const timeouts = new Map<string, number>();
  for (const item of items) {
    const [, name, ms] = /^([^=]+)=(\d+)$/.exec(item) ?? [];
    if (!name || !Milliseconds.safeParse(ms).success)
      context.addIssue({ code: 'custom', message: 'must have the form reviews=2000,stock=500' });
    else timeouts.set(name, Number(ms));
  }
  return timeouts;
});

/** Where subgraphs take subscriptions over WebSocket, by name: a function of the subgraph's URL. */
const SubgraphSockets = List.transform((items, context) => {
  const sockets = new Map<string, (url: string) => string>();
  for (const item of items) {
    const [, name = '', url] = /^([^=]+)(?:=(wss?:\/\/.+))?$/.exec(item) ?? [];
    if (!name || (url !== undefined && !URL.canParse(url)))
      context.addIssue({ code: 'custom', message: 'must have the form reviews,stock=wss://stock.example/ws' });
    else sockets.set(name, (own) => url ?? own.replace(/^http/, 'ws'));
  }
  return sockets;
});

// The custom labels that composition allows. Percentages are decided for each request and need no configuration.
const OverrideLabels = List.refine(
  (labels) => labels.every((label) => /^[a-zA-Z][\w\-:./]*$/.test(label)),
  'must be custom labels of @override such as new-pricing; percent(n) needs no configuration',
);

/** Matches names of headers that carry client credentials. */
const CREDENTIAL_HEADER = /auth|cookie|token|api-?key|session|jwt|credential/i;

/** The manifest with the operations of the customer desk. */
const DESK_MANIFEST = join(import.meta.dirname, '../clients/web/src/generated/operations.json');

/** Response headers that apply to one connection or body encoding and must not be returned to the client. */
const RESPONSE_CONNECTION_HEADERS = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** Request headers that apply to one connection, body or destination and must not be forwarded to subgraphs. */
const REQUEST_CONNECTION_HEADERS = new Set([
  ...RESPONSE_CONNECTION_HEADERS,
  'accept',
  'accept-encoding',
  'expect',
  'host',
  'te',
  'trailer',
]);

/** The share of requests to log; undefined for none. Those with errors and the slow ones are logged whatever the share. */
const RequestLogShare = z
  .union(
    [
      z.literal('off').transform(() => undefined),
      z.literal('errors').transform(() => 0),
      z.literal('all').transform(() => 1),
      z.coerce.number().gt(0).lt(1),
    ],
    'must be off, errors, all, or a share between 0 and 1 such as 0.1',
  )
  .transform((share) => ({ share }));

/** The environment variables of the gateway, except the URLs of subgraphs. */
export const GatewayEnv = HttpEnv.extend({
  ...AuthEnv.shape,
  PORT: Port.default(4000),
  PUBLIC_URL: HttpUrl.optional(),
  TLS_CERT: z.string().optional(),
  TLS_KEY: z.string().optional(),
  TLS_CLIENT_CA: z.string().optional(),
  ...ADMIN_SHAPE,
  ...OTLP_SHAPE,
  ...METRICS_SHAPE,
  ...READINESS_SHAPE,
  ...TRACES_SHAPE,
  LOG_LEVEL: z.enum(LOG_LEVELS).optional(),
  SANDBOX: z.enum(['on', 'off']).optional(),
  INTROSPECTION: z.enum(['on', 'off']).optional(),
  SUPERGRAPH: z.string().optional(),
  REQUEST_LOG: RequestLogShare.optional(),
  REQUEST_TIMEOUT_MS: Milliseconds.default(20_000),
  SUBGRAPH_TIMEOUTS_MS: Timeouts.default(new Map()),
  SUBGRAPH_SOCKETS: SubgraphSockets.default(new Map()),
  SHUTDOWN_DELAY_MS: OptionalMilliseconds.default(0),
  SHUTDOWN_GRACE_MS: Milliseconds.default(10_000),
  FORWARD_HEADERS: HeaderNames.refine(
    (names) => !names.some((name) => REQUEST_CONNECTION_HEADERS.has(name.toLowerCase())),
    'must not name a header of a single connection or request, such as host',
  ).default(['x-request-id', 'traceparent', 'tracestate', 'accept-language']),
  TENANT_HEADER: z
    .string()
    .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'must be a header name, e.g. x-tenant')
    .toLowerCase()
    .optional(),
  RETURN_HEADERS: HeaderNames.transform((names) => names.map((name) => name.toLowerCase()))
    .refine(
      (names) => !names.some((name) => RESPONSE_CONNECTION_HEADERS.has(name)),
      'must not name a header of a single connection or response, such as content-length',
    )
    .default([]),
  SUBGRAPH_SECRET: SubgraphSecret.optional(),
  SUBGRAPH_ERRORS: z.enum(['masked', 'full']).optional(),
  OVERRIDE_LABELS: OverrideLabels.default([]),
  CLUSTER_WORKERS: z.coerce.number().int().positive().max(512).default(1),
  MAX_REQUESTS: z.coerce.number().int().positive().default(1_000),
  MAX_WAITING_REQUESTS: z.coerce.number().int().min(0).default(1_000),
  PACE_REQUESTS: z.enum(['on', 'off']).default('on'),
  CORS_ORIGINS: Origins.default([]),
  UNAUTHORIZED: z.enum(['remove', 'reject']).default('remove'),
  POLICIES: z.string().optional(),
  POLICY_TIMEOUT_MS: Milliseconds.default(1_000),
  PLANS: z.string().optional(),
  BUDGETS: z.enum(['enforce', 'measure']).default('enforce'),
  CLIENT_LIMITS_WITHOUT_REDIS: z.enum(['local', 'refuse']).default('local'),
  AUDIT_LOG: z.string().optional(),
  AUDIT_LOG_MAX_MIB: z.coerce.number().positive().default(100),
  AUDIT_KEY: z.string().min(32, 'must have at least 32 characters').optional(),
  AUDIT_FAILURE: z.enum(['refuse', 'allow']).default('refuse'),
  AUDIT_ARGUMENTS: Coordinates.optional(),
  ...EVENTS_SHAPE,
  ...BROKER_SHAPE,
  WEBHOOK_TOLERANCE_S: Count.max(3_600).default(300),
  MAX_SUBSCRIPTIONS: Count.max(1_000_000).default(10_000),
  MAX_SUBSCRIPTIONS_PER_CLIENT: Count.max(1_000_000).default(100),
  SUBSCRIPTION_MAX_AGE_S: Count.max(86_400).default(3_600),
  SUBSCRIPTION_HEARTBEAT_S: Count.max(300).default(15),
  SAFELIST: z.enum(['on', 'off', 'learn']).default('off'),
  SAFELIST_MANIFESTS: List.optional(),
  CACHE_SCOPE: z.enum(['private', 'public']).default('private'),
  EXPLORER: z.enum(['on', 'off']).optional(),
  DESK: z.enum(['on', 'off']).optional(),
  DESK_CLIENT_ID: z.string().optional(),
  DESK_SCOPES: List.default(['openid']),
  CALL_REPORT: z.enum(['on', 'off']).optional(),
  CLIENT_NO_CACHE: z.enum(['on', 'off']).optional(),
  PLAN_CACHE_ENTRIES: z.coerce.number().int().positive().default(1_000),
  PLAN_CACHE_MAX_MIB: z.coerce.number().positive().default(100),
  ...createLimitsShape(CLIENT_LIMITS),
  MAX_ESTIMATED_OBJECTS: Count.default(10_000),
  MAX_ESTIMATED_VALUES: Count.default(50_000),
  MAX_ANSWER_VALUES: Count.default(250_000),
  REQUEST_FETCH_MAX_MIB: Count.default(64),
  FETCH_BUFFER_MAX_MIB: Count.default(512),
  MAX_RUNNING_VALUES: Count.default(250_000),
  ASSUMED_LIST_SIZE: Count.default(5),
  PLANNING_TIMEOUT_MS: Milliseconds.default(5_000),
});

/** The variables of the gateway that may be read from files. */
export const GATEWAY_SECRETS = [
  'AUDIT_KEY',
  'EVENTS_URL',
  ...BROKER_SECRETS,
  'SUBGRAPH_SECRET',
  ...OTLP_SECRETS,
] as const;

/** Creates the schema of the subgraph URL variables, one per subgraph, e.g. `PAYMENTS_URL`. */
export const createSubgraphUrlsEnv = (subgraphs: readonly string[]) =>
  z.object(Object.fromEntries(subgraphs.map((name) => [urlVariable(name), HttpUrl.optional()])));

/** Returns the name of the variable with a subgraph's URL. */
export const urlVariable = (subgraph: string): string => `${subgraph.toUpperCase().replaceAll('-', '_')}_URL`;

/**
 * How errors of remote subgraphs are shown to clients.
 *
 * `bundled`: errors of the bundled subgraphs, which are already safe for clients. `masked`: only the code of an external
 * subgraph's error is passed on. `full`: its message and extensions are passed on too.
 */
export type SubgraphErrorPolicy = 'bundled' | 'masked' | 'full';

/** A subgraph that is reached over HTTP. */
export type RemoteSubgraph = {
  readonly name: string;
  readonly url: string;
  /** Timeout of one request to it, in milliseconds. */
  readonly timeoutMs: number;
  /** Where it takes subscriptions over WebSocket. Undefined: they are requested as server-sent events, at `url`. */
  readonly socketUrl: string | undefined;
  /** Time between pings on such a WebSocket, in milliseconds. */
  readonly heartbeatMs: number;
  /** Response headers that are returned to clients. */
  readonly returnHeaders: readonly string[];
  readonly errors: SubgraphErrorPolicy;
  /** Signs requests to it. Undefined without SUBGRAPH_SECRET. */
  readonly sign: SignRequest | undefined;
  /** Whether it receives the client's credentials. If so, a 401 or 403 refers to them. */
  readonly receivesCredentials: boolean;
};

export type AuthorizationConfig = {
  /** Whether unauthorized fields are removed from an operation, or the operation is rejected. */
  readonly unauthorized: 'remove' | 'reject';
  /** Path of the module that decides policies. Without one, no request satisfies a policy. */
  readonly policiesFile: string | undefined;
  /** Maximum time to decide the policies of one request, in milliseconds. */
  readonly policyTimeoutMs: number;
};

/** The limits per client. */
export type ClientLimitsConfig = {
  /** Path of the file of plans. */
  readonly plansFile: string;
  /** Whether operations over a budget are refused, or only reported. */
  readonly budgets: 'enforce' | 'measure';
  /** While Redis is unavailable: each process counts alone, or requests of limited clients are refused. */
  readonly withoutRedis: 'local' | 'refuse';
};

/** Where the events of webhooks are kept, and which deliveries are accepted. */
export type EventsConfig = EventStoreConfig & {
  /** Maximum age of a signed delivery, in milliseconds. */
  readonly toleranceMs: number;
};

/** Sign-in at the customer desk, which is a public client of an OpenID Connect issuer. */
export type DeskSignIn = {
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** The audience that the gateway requires of tokens. Some issuers need it to issue them. */
  readonly audience: string | undefined;
};

export type GatewayConfig = {
  readonly isProduction: boolean;
  readonly port: number;
  readonly host: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly auth: AuthConfig;
  /** The files of HTTPS. Without them, the gateway serves HTTP. */
  readonly tls: TlsFiles | undefined;
  /** Path of an external supergraph file, instead of the bundled graph. */
  readonly supergraphFile: string | undefined;
  /** URLs of the subgraphs that do not run in this process. */
  readonly subgraphUrls: ReadonlyMap<string, string>;
  readonly introspection: boolean;
  /** Timeout of one client request, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Returns the connection settings of a remote subgraph. */
  readonly remote: (name: string, url: string) => RemoteSubgraph;
  /** Time for which requests are still accepted at shutdown, in milliseconds. */
  readonly shutdownDelayMs: number;
  /** Time that running requests have to finish at shutdown, in milliseconds. */
  readonly shutdownGraceMs: number;
  /** Client headers that are forwarded to subgraphs, lowercased. */
  readonly forwardHeaders: readonly string[];
  /** Subgraph headers that are returned to clients, lowercased. */
  readonly returnHeaders: readonly string[];
  /** The header that chooses a tenant, lowercased. */
  readonly tenantHeader: string | undefined;
  readonly subgraphErrors: SubgraphErrorPolicy;
  /** The enabled custom labels of progressive `@override`. Percentages are decided for each request. */
  readonly overrideLabels: readonly string[];
  /** Maximum numbers of running and of waiting requests. */
  readonly admission: AdmissionLimits;
  readonly http: HttpLimits;
  /** The host names under which clients may reach the gateway. */
  readonly hosts: HostPolicy;
  /** The public URL of the gateway, if it differs from the listening address. */
  readonly publicUrl: string | undefined;
  /** The admin endpoints; undefined if they are off. */
  readonly admin: AdminConfig | undefined;
  /** The addresses from which operators' endpoints accept requests. */
  readonly adminAllow: BlockList;
  /** The providers whose outage makes the gateway not ready. */
  readonly readiness: Readiness;
  /** Whether the status page is served beside the explorer, to the addresses in `adminAllow`. */
  readonly statusPage: boolean;
  /** Origins allowed by CORS. `*` allows all. */
  readonly corsOrigins: readonly string[];
  /** How the access rules of the supergraph are enforced. */
  readonly authorization: AuthorizationConfig;
  /** Undefined if clients have no limits. */
  readonly clientLimits: ClientLimitsConfig | undefined;
  /** Export of metrics to a collector. Undefined if it is off. */
  readonly metrics: MetricsConfig | undefined;
  /** Which requests are logged, with one line each. Undefined if none are. */
  readonly requestLog: Pick<RequestLogOptions, 'share' | 'slowMs'> | undefined;
  /** Tracing of requests. Undefined if it is off. */
  readonly traces: TracesConfig | undefined;
  /** Where and how mutations and refusals are audited, if at all. */
  readonly audit: AuditConfig | undefined;
  /** Where and how the events of webhooks are kept. */
  readonly events: EventsConfig;
  /** The message broker; undefined without one. */
  readonly broker: BrokerConfig | undefined;
  readonly subscriptions: SubscriptionLimits & {
    /** Time between heartbeats on an open stream, in milliseconds. */
    readonly heartbeatMs: number;
  };
  /** Whether operations that are not in the manifests are refused (`on`) or only logged (`learn`). */
  readonly safelist: 'on' | 'off' | 'learn';
  readonly safelistManifests: readonly string[];
  /** Whether shared caches may store responses to GET requests, or only the client. */
  readonly cacheScope: 'PRIVATE' | 'PUBLIC';
  /** Whether the explorer pages are served. */
  readonly explorer: boolean;
  /** Whether the customer desk is served. */
  readonly desk: boolean;
  /** Undefined if nobody signs in at the desk. */
  readonly deskSignIn: DeskSignIn | undefined;
  /** Whether clients may request a report of provider calls. */
  readonly reportAllowed: boolean;
  /** Maximum number of cached compiled operations, and their approximate total size in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  /** Limits on the documents that clients send. */
  readonly documentLimits: DocumentLimits;
  /** Limits on the estimated size of a response. */
  readonly estimateLimits: EstimateLimits;
  /** Maximum number of values in a response, regardless of the estimate. */
  readonly maxAnswerValues: number;
  /** Limits on the subgraph responses that running requests hold in memory. */
  readonly fetchedBytes: FetchedBytesLimits;
  /** Maximum estimated values of all large responses in progress. */
  readonly maxRunningValues: number;
  /** Maximum time to validate or plan one large operation, in milliseconds. */
  readonly planningTimeoutMs: number;
  /** Whether clients may bypass the cache with `Cache-Control: no-cache`. */
  readonly noCacheAllowed: boolean;
  /** Watches the files of the gateway's own secrets, except those of authentication. Returns an unsubscribe function. */
  readonly watchSecrets: (log: Log) => () => void;
};

/** Returns whether a sandbox may replace a provider without credentials. */
export const isSandboxAllowed = ({
  SANDBOX,
  NODE_ENV,
}: {
  readonly SANDBOX?: string | undefined;
  readonly NODE_ENV?: string | undefined;
}): boolean => SANDBOX === 'on' || (SANDBOX !== 'off' && NODE_ENV !== 'production');

const readTlsFiles = ({
  TLS_CERT: cert,
  TLS_KEY: key,
  TLS_CLIENT_CA: clientCa,
}: z.output<typeof GatewayEnv>): TlsFiles | undefined => {
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined;
  if (cert === undefined) throw new ConfigError('TLS_CERT: is required with TLS_KEY or TLS_CLIENT_CA');
  if (key === undefined) throw new ConfigError('TLS_KEY: is required with TLS_CERT');
  return { cert, key, clientCa };
};

const readDeskSignIn = (
  { DESK_CLIENT_ID: clientId, DESK_SCOPES: scopes, JWT_ISSUER: issuer }: z.output<typeof GatewayEnv>,
  { issuers }: AuthConfig,
): DeskSignIn | undefined => {
  if (clientId === undefined) return undefined;
  if (issuer === undefined || !HttpUrl.safeParse(issuer).success)
    throw new ConfigError('DESK_CLIENT_ID: must be used with JWT_ISSUER, an http or https URL');
  const [audience] = issuers.find((one) => one.issuer === issuer)?.audiences ?? [];
  return { issuer, clientId, scopes, audience };
};

/** Returns the path of an audit log. Each worker writes a file of its own. */
const auditFileOf = (value: string, worker: WorkerSettings | undefined): string => {
  const file = value.replaceAll('{host}', hostname());
  return worker ? fileOfWriter(file, `worker-${worker.number}`) : file;
};

/** In production, requests are logged unless the level of the log is above theirs. */
const readRequestLog = (values: z.output<typeof GatewayEnv>): GatewayConfig['requestLog'] => {
  const { NODE_ENV, LOG_LEVEL: level = 'info', SLOW_REQUEST_MS: slowMs } = values;
  const isDefault = NODE_ENV === 'production' && ['info', 'debug', 'trace'].includes(level);
  const share = values.REQUEST_LOG ? values.REQUEST_LOG.share : isDefault ? 1 : undefined;
  return share === undefined ? undefined : { share, slowMs };
};

const AuditKeyEnv = GatewayEnv.pick({ AUDIT_KEY: true });

/** Logs that a changed key of the audit log is not used. With another one, the chain that is being written would be broken. */
const watchAuditKey = (env: Env, { AUDIT_KEY: key }: z.output<typeof AuditKeyEnv>, log: Log): (() => void) =>
  watchFiles(fileVariables(['AUDIT_KEY']), {
    env,
    log,
    reload: () => {
      if (readEnv(AuditKeyEnv, env, ['AUDIT_KEY']).AUDIT_KEY !== key)
        log.warn('AUDIT_KEY has changed and is not used: a chain has one key. Move the audit log away and restart.');
      return false;
    },
  });

const readClientLimits = (values: z.output<typeof GatewayEnv>, env: Env): ClientLimitsConfig | undefined => {
  const { PLANS: plansFile, BUDGETS: budgets, CLIENT_LIMITS_WITHOUT_REDIS: withoutRedis } = values;
  if (plansFile === undefined) return undefined;
  if (namesOfSet(['REDIS_URL'], env).length === 0) {
    if (withoutRedis === 'refuse')
      throw new ConfigError('REDIS_URL: is required with CLIENT_LIMITS_WITHOUT_REDIS=refuse');
    if (values.CLUSTER_WORKERS > 1)
      throw new ConfigError(
        'CLUSTER_WORKERS: must be 1 with PLANS and without REDIS_URL, as workers count together there',
      );
  }
  return { plansFile, budgets, withoutRedis };
};

/** Returns the names of variables that are not secrets. */
export const withoutSecrets = (names: readonly string[], secrets: readonly string[]): string[] =>
  names.filter((name) => !secrets.includes(name));

const digestOf = (env: Env, names: readonly string[]): string => {
  const set = names.filter((name) => env[name]).sort();
  return createHash('sha256')
    .update(JSON.stringify(set.map((name) => [name, env[name]])))
    .digest('hex');
};

/**
 * Reads the configuration of a gateway for these subgraphs. Throws ConfigError. `otherVariables` names those that are read
 * elsewhere, without secrets: a change of one is a change of the configuration.
 */
export const readConfig = (
  env: Env,
  subgraphs: readonly string[],
  otherVariables: readonly string[] = [],
): GatewayConfig => {
  const urlsEnv = createSubgraphUrlsEnv(subgraphs);
  const [values, urls, auth] = readEach(
    () => readEnv(GatewayEnv, env, GATEWAY_SECRETS),
    () => readEnv(urlsEnv, env),
    () => readAuthConfig(env),
  );
  const worker = readWorkerEnv(env);
  const secrets = createSubgraphSecrets(env, values.SUBGRAPH_SECRET);
  const otlp = toOtlpConfig(values, { defaultServiceName: 'tributary-gateway', env });
  const isProduction = values.NODE_ENV === 'production';
  const isSplit = subgraphs.some((name) => urls[urlVariable(name)]);
  if (isProduction && isSplit && !values.SUBGRAPH_SECRET) throw new ConfigError(SECRET_REQUIRED);
  if (values.EVENTS_FILE !== undefined && values.EVENTS_URL !== undefined) {
    throw new ConfigError('EVENTS_FILE: must not be set with EVENTS_URL');
  }
  if (values.BROKER_URL !== undefined && values.SUPERGRAPH) {
    throw new ConfigError('BROKER_URL: must not be set with SUPERGRAPH, whose providers are not known');
  }
  if (values.SAFELIST !== 'off' && values.SUPERGRAPH && !values.SAFELIST_MANIFESTS?.length) {
    throw new ConfigError(
      'SAFELIST_MANIFESTS: is required with SAFELIST and SUPERGRAPH. Name the manifests of the operations to serve.',
    );
  }
  const tls = readTlsFiles(values);
  if ((tls?.clientCa !== undefined) !== auth.certificates.length > 0) {
    throw new ConfigError('TLS_CLIENT_CA: must be set if AUTH_CONFIG has certificates, and only then');
  }
  const problem = subgraphs.length > 0 ? readinessProblem(values.READINESS, subgraphs) : undefined;
  if (problem) throw new ConfigError(problem);
  const explorer = values.EXPLORER ? values.EXPLORER === 'on' : !isProduction;
  const subgraphErrors = values.SUPERGRAPH ? (values.SUBGRAPH_ERRORS ?? (isProduction ? 'masked' : 'full')) : 'bundled';
  return {
    isProduction,
    port: worker?.port ?? values.PORT,
    host: values.HOST,
    auth,
    tls,
    logLevel: values.LOG_LEVEL ?? (isProduction ? 'info' : 'warn'),
    supergraphFile: values.SUPERGRAPH,
    subgraphUrls: new Map(
      subgraphs.flatMap((name) => {
        const url = urls[urlVariable(name)];
        return url ? [[name, url] as const] : [];
      }),
    ),
    introspection: values.INTROSPECTION ? values.INTROSPECTION === 'on' : !isProduction,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    remote: (name, url) => ({
      name,
      url,
      timeoutMs: values.SUBGRAPH_TIMEOUTS_MS.get(name) ?? values.REQUEST_TIMEOUT_MS,
      socketUrl: values.SUBGRAPH_SOCKETS.get(name)?.(url),
      heartbeatMs: values.SUBSCRIPTION_HEARTBEAT_S * 1000,
      returnHeaders: values.RETURN_HEADERS,
      errors: subgraphErrors,
      sign: createRequestSigner(secrets.current, name),
      receivesCredentials: values.FORWARD_HEADERS.some((header) => CREDENTIAL_HEADER.test(header)),
    }),
    shutdownDelayMs: values.SHUTDOWN_DELAY_MS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
    forwardHeaders: values.FORWARD_HEADERS.map((name) => name.toLowerCase()),
    returnHeaders: values.RETURN_HEADERS,
    tenantHeader: values.TENANT_HEADER,
    subgraphErrors,
    overrideLabels: values.OVERRIDE_LABELS,
    admission: {
      running: values.MAX_REQUESTS,
      waiting: values.MAX_WAITING_REQUESTS,
      isPaced: values.PACE_REQUESTS === 'on',
    },
    http: toHttpLimits(values),
    hosts: createHostPolicy([
      ...allowedHosts(values),
      ...(values.PUBLIC_URL ? [new URL(values.PUBLIC_URL).hostname] : []),
    ]),
    publicUrl: values.PUBLIC_URL,
    admin: toAdminConfig(values, values.ALLOWED_HOSTS),
    adminAllow: values.ADMIN_ALLOW,
    readiness: values.READINESS,
    // A worker of several knows of itself alone.
    statusPage: !isProduction && explorer && values.CLUSTER_WORKERS === 1,
    requestLog: readRequestLog(values),
    metrics: toMetricsConfig(values, otlp),
    traces: toTracesConfig(values, otlp),
    corsOrigins: values.CORS_ORIGINS,
    authorization: {
      unauthorized: values.UNAUTHORIZED,
      policiesFile: values.POLICIES,
      policyTimeoutMs: values.POLICY_TIMEOUT_MS,
    },
    clientLimits: readClientLimits(values, env),
    audit: values.AUDIT_LOG
      ? {
          file: auditFileOf(values.AUDIT_LOG, worker),
          key: values.AUDIT_KEY,
          maxBytes: values.AUDIT_LOG_MAX_MIB * 1024 * 1024,
          failure: values.AUDIT_FAILURE,
          arguments: values.AUDIT_ARGUMENTS ?? (values.SUPERGRAPH ? [] : BUNDLED_ARGUMENTS),
          configuration: digestOf(env, [
            ...withoutSecrets(Object.keys(GatewayEnv.shape), [...GATEWAY_SECRETS, ...AUTH_SECRETS]),
            ...Object.keys(urlsEnv.shape),
            ...otherVariables,
          ]),
        }
      : undefined,
    events: { ...toEventStoreConfig(values), toleranceMs: values.WEBHOOK_TOLERANCE_S * 1000 },
    broker: toBrokerConfig(values),
    subscriptions: {
      total: values.MAX_SUBSCRIPTIONS,
      perClient: values.MAX_SUBSCRIPTIONS_PER_CLIENT,
      maxAgeMs: values.SUBSCRIPTION_MAX_AGE_S * 1000,
      heartbeatMs: values.SUBSCRIPTION_HEARTBEAT_S * 1000,
    },
    safelist: values.SAFELIST,
    safelistManifests: values.SAFELIST_MANIFESTS ?? (values.SUPERGRAPH ? [] : [DESK_MANIFEST]),
    cacheScope: values.CACHE_SCOPE === 'public' ? 'PUBLIC' : 'PRIVATE',
    explorer,
    desk: !values.SUPERGRAPH && (values.DESK ? values.DESK === 'on' : !isProduction),
    deskSignIn: readDeskSignIn(values, auth),
    reportAllowed: values.CALL_REPORT ? values.CALL_REPORT === 'on' : !isProduction,
    maxPrograms: values.PLAN_CACHE_ENTRIES,
    maxProgramBytes: Math.ceil(values.PLAN_CACHE_MAX_MIB * 1024 * 1024),
    documentLimits: readLimits(values),
    estimateLimits: {
      maxObjects: values.MAX_ESTIMATED_OBJECTS,
      maxValues: values.MAX_ESTIMATED_VALUES,
      assumedListSize: values.ASSUMED_LIST_SIZE,
    },
    maxAnswerValues: values.MAX_ANSWER_VALUES,
    fetchedBytes: {
      perRequest: values.REQUEST_FETCH_MAX_MIB * 1024 * 1024,
      total: values.FETCH_BUFFER_MAX_MIB * 1024 * 1024,
    },
    maxRunningValues: values.MAX_RUNNING_VALUES,
    planningTimeoutMs: values.PLANNING_TIMEOUT_MS,
    watchSecrets: (log) => {
      const stopWatching = [secrets.watch(log), ...(values.AUDIT_LOG ? [watchAuditKey(env, values, log)] : [])];
      return () => {
        for (const stop of stopWatching) stop();
      };
    },
    noCacheAllowed: values.CLIENT_NO_CACHE ? values.CLIENT_NO_CACHE === 'on' : !isProduction,
  };
};
