import { join } from 'node:path';
import { z } from 'zod';
import type { AdmissionLimits } from '../runtime/admission.ts';
import { ConfigError, type Env, readEach, readEnv } from '../runtime/env.ts';
import { createHostPolicy, type HostPolicy } from '../runtime/hosts.ts';
import { allowedHosts, HttpEnv, type HttpLimits, Milliseconds, toHttpLimits } from '../runtime/http-limits.ts';
import { LOG_LEVELS } from '../runtime/log.ts';
import type { DocumentLimits } from '../subgraphs/kit/limits/document-limits.ts';
import { CLIENT_LIMITS, createLimitsShape, readLimits } from '../subgraphs/kit/limits/limits-env.ts';
import type { EstimateLimits } from './cost/estimate-limits.ts';
import type { FetchedBytesLimits } from './cost/fetched-bytes.ts';

const HttpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
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
  'must be names of headers, e.g. x-request-id,traceparent',
);

// Compared as text with what browsers send, so that one with a slash behind it or the default port would match none.
const isOrigin = (text: string): boolean =>
  URL.parse(text)?.origin === text || /^(\*|null|(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^/\s]+)$/.test(text);

const Origins = List.refine(
  (origins) => origins.every(isOrigin),
  'must be origins as browsers send them, e.g. https://app.example, or * for any',
);

const Timeouts = List.transform((items, context) => {
  const timeouts = new Map<string, number>();
  for (const item of items) {
    const [, name, ms] = /^([^=]+)=(\d+)$/.exec(item) ?? [];
    if (!name || !Milliseconds.safeParse(ms).success)
      context.addIssue({ code: 'custom', message: 'must be like reviews=2000,stock=500' });
    else timeouts.set(name, Number(ms));
  }
  return timeouts;
});

// The labels that composition allows, but for percentages: these are decided by each request.
const OverrideLabels = List.refine(
  (labels) => labels.every((label) => /^[a-zA-Z][\w\-:./]*$/.test(label)),
  'must be labels of @override such as new-pricing; percent(n) needs no configuration',
);

/** Names of headers that say who the client is. */
const CREDENTIAL_HEADER = /auth|cookie|token|api-?key|session|jwt|credential/i;

/** The operations of the customer desk. */
const OWN_MANIFEST = join(import.meta.dirname, '../clients/web/src/generated/operations.json');

/** What says how this answer is sent, and is another thing for the client's connection. */
const OF_ONE_CONNECTION = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** Of one request's connection, body or destination; the gateway's own request to a subgraph has its own. */
const OF_ONE_REQUEST = new Set([...OF_ONE_CONNECTION, 'accept', 'accept-encoding', 'expect', 'host', 'te', 'trailer']);

/** The variables of the gateway, beside those that say where subgraphs are. */
export const GatewayEnv = HttpEnv.extend({
  PORT: Port.default(4000),
  PUBLIC_URL: HttpUrl.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).optional(),
  SANDBOX: z.enum(['on', 'off']).optional(),
  INTROSPECTION: z.enum(['on', 'off']).optional(),
  SUPERGRAPH: z.string().optional(),
  REQUEST_TIMEOUT_MS: Milliseconds.default(20_000),
  SUBGRAPH_TIMEOUTS_MS: Timeouts.default(new Map()),
  SHUTDOWN_GRACE_MS: Milliseconds.default(10_000),
  FORWARD_HEADERS: HeaderNames.refine(
    (names) => !names.some((name) => OF_ONE_REQUEST.has(name.toLowerCase())),
    'must not name a header of one connection or request',
  ).default(['x-request-id', 'traceparent', 'tracestate', 'accept-language']),
  RETURN_HEADERS: HeaderNames.transform((names) => names.map((name) => name.toLowerCase()))
    .refine(
      (names) => !names.some((name) => OF_ONE_CONNECTION.has(name)),
      'must not name a header of one connection or answer',
    )
    .default([]),
  SUBGRAPH_ERRORS: z.enum(['masked', 'full']).optional(),
  OVERRIDE_LABELS: OverrideLabels.default([]),
  CLUSTER_WORKERS: z.coerce.number().int().positive().max(512).default(1),
  MAX_REQUESTS: z.coerce.number().int().positive().default(1_000),
  MAX_WAITING_REQUESTS: z.coerce.number().int().min(0).default(1_000),
  CORS_ORIGINS: Origins.default([]),
  SAFELIST: z.enum(['on', 'off', 'learn']).default('off'),
  SAFELIST_MANIFESTS: List.optional(),
  CACHE_SCOPE: z.enum(['private', 'public']).default('private'),
  EXPLORER: z.enum(['on', 'off']).optional(),
  DESK: z.enum(['on', 'off']).optional(),
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

/** The variables that say where subgraphs are, one for each: `PAYMENTS_URL`. */
export const createSubgraphUrlsEnv = (subgraphs: readonly string[]) =>
  z.object(Object.fromEntries(subgraphs.map((name) => [urlVariable(name), HttpUrl.optional()])));

/** The variable that says where a subgraph is. */
export const urlVariable = (subgraph: string): string => `${subgraph.toUpperCase().replaceAll('-', '_')}_URL`;

/**
 * What clients receive of a subgraph's errors over HTTP. `bundled`: the product's own subgraphs, whose errors are made for
 * clients already. An external subgraph's code is always passed on; with `full` its messages and extensions are too.
 */
export type SubgraphErrorPolicy = 'bundled' | 'masked' | 'full';

/** A subgraph over HTTP. */
export type RemoteSubgraph = {
  readonly name: string;
  readonly url: string;
  /** How long one request to it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The headers of its answers that clients receive. */
  readonly returnHeaders: readonly string[];
  readonly errors: SubgraphErrorPolicy;
  /** Whether it receives the client's credentials, so that a 401 or 403 is about these. */
  readonly receivesCredentials: boolean;
};

export type GatewayConfig = {
  readonly isProduction: boolean;
  readonly port: number;
  readonly host: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** A file with another supergraph than the product's own. */
  readonly supergraphFile: string | undefined;
  /** Where the subgraphs are that do not run in this process. */
  readonly subgraphUrls: ReadonlyMap<string, string>;
  /** Whether a provider without credentials may be replaced by its sandbox. */
  readonly sandboxAllowed: boolean;
  readonly introspection: boolean;
  /** How long one client request may take, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** How a subgraph over HTTP is reached. */
  readonly remote: (name: string, url: string) => RemoteSubgraph;
  /** How long running requests may go on when the process is asked to stop, in milliseconds. */
  readonly shutdownGraceMs: number;
  /** The client's headers that subgraphs receive, in lower case. */
  readonly forwardHeaders: readonly string[];
  /** The subgraphs' headers that clients receive, in lower case. */
  readonly returnHeaders: readonly string[];
  readonly subgraphErrors: SubgraphErrorPolicy;
  /** The labels of progressive @override whose fields have moved; percentages are decided by each request. */
  readonly overrideLabels: readonly string[];
  /** How many processes answer, each on a core of its own. */
  readonly workers: number;
  /** How many requests run at once, and how many more wait for their turn. */
  readonly admission: AdmissionLimits;
  readonly http: HttpLimits;
  /** The names that clients may reach the gateway by. */
  readonly hosts: HostPolicy;
  /** Where clients reach the gateway, if that is not where it listens. */
  readonly publicUrl: string | undefined;
  /** The web origins that may ask from a browser; `*` for all. */
  readonly corsOrigins: readonly string[];
  /** Whether operations that are not on the lists in these files are refused, or only named in the log. */
  readonly safelist: 'on' | 'off' | 'learn';
  readonly safelistManifests: readonly string[];
  /** Who may keep an answer to a GET request: the client alone, or also what stands between. */
  readonly cacheScope: 'PRIVATE' | 'PUBLIC';
  /** Whether there are pages to explore the graph with. */
  readonly explorer: boolean;
  /** Whether there is the customer desk. */
  readonly desk: boolean;
  /** Whether a client may have the provider calls of its request told. */
  readonly reportAllowed: boolean;
  /** How many operations are kept compiled, and about how much memory these may take, in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  /** The largest document that a client may send. */
  readonly documentLimits: DocumentLimits;
  /** The largest answer that an operation may be for, by estimate. */
  readonly estimateLimits: EstimateLimits;
  /** Values that an answer may have, whatever its estimate was. */
  readonly maxAnswerValues: number;
  /** What running requests may hold of subgraphs' answers. */
  readonly fetchedBytes: FetchedBytesLimits;
  /** Values of all large answers that are being made at once, by estimate. */
  readonly maxRunningValues: number;
  /** Time that validating or planning one large operation may take, in milliseconds. */
  readonly planningTimeoutMs: number;
  /** Whether a client may ask for nothing that was kept. */
  readonly freshAllowed: boolean;
};

/** Whether the environment allows a sandbox in the place of a provider without credentials. */
export const isSandboxAllowed = ({
  SANDBOX,
  NODE_ENV,
}: {
  readonly SANDBOX?: string | undefined;
  readonly NODE_ENV?: string | undefined;
}): boolean => SANDBOX === 'on' || (SANDBOX !== 'off' && NODE_ENV !== 'production');

/** Reads the configuration of a gateway in front of these subgraphs. Throws ConfigError. */
export const readConfig = (env: Env, subgraphs: readonly string[]): GatewayConfig => {
  const [values, urls] = readEach(
    () => readEnv(GatewayEnv, env),
    () => readEnv(createSubgraphUrlsEnv(subgraphs), env),
  );
  const isProduction = values.NODE_ENV === 'production';
  if (values.SAFELIST !== 'off' && values.SUPERGRAPH && !values.SAFELIST_MANIFESTS?.length) {
    throw new ConfigError('SAFELIST_MANIFESTS: must name the files with the operations to serve, as SAFELIST is set.');
  }
  const subgraphErrors = values.SUPERGRAPH ? (values.SUBGRAPH_ERRORS ?? (isProduction ? 'masked' : 'full')) : 'bundled';
  return {
    isProduction,
    port: values.PORT,
    host: values.HOST,
    logLevel: values.LOG_LEVEL ?? (isProduction ? 'info' : 'warn'),
    supergraphFile: values.SUPERGRAPH,
    subgraphUrls: new Map(
      subgraphs.flatMap((name) => {
        const url = urls[urlVariable(name)];
        return url ? [[name, url] as const] : [];
      }),
    ),
    sandboxAllowed: isSandboxAllowed(values),
    introspection: values.INTROSPECTION ? values.INTROSPECTION === 'on' : !isProduction,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    remote: (name, url) => ({
      name,
      url,
      timeoutMs: values.SUBGRAPH_TIMEOUTS_MS.get(name) ?? values.REQUEST_TIMEOUT_MS,
      returnHeaders: values.RETURN_HEADERS,
      errors: subgraphErrors,
      receivesCredentials: values.FORWARD_HEADERS.some((header) => CREDENTIAL_HEADER.test(header)),
    }),
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
    forwardHeaders: values.FORWARD_HEADERS.map((name) => name.toLowerCase()),
    returnHeaders: values.RETURN_HEADERS,
    subgraphErrors,
    overrideLabels: values.OVERRIDE_LABELS,
    workers: values.CLUSTER_WORKERS,
    admission: { running: values.MAX_REQUESTS, waiting: values.MAX_WAITING_REQUESTS },
    http: toHttpLimits(values),
    hosts: createHostPolicy([
      ...allowedHosts(values),
      ...(values.PUBLIC_URL ? [new URL(values.PUBLIC_URL).hostname] : []),
    ]),
    publicUrl: values.PUBLIC_URL,
    corsOrigins: values.CORS_ORIGINS,
    safelist: values.SAFELIST,
    safelistManifests: values.SAFELIST_MANIFESTS ?? (values.SUPERGRAPH ? [] : [OWN_MANIFEST]),
    cacheScope: values.CACHE_SCOPE === 'public' ? 'PUBLIC' : 'PRIVATE',
    explorer: values.EXPLORER ? values.EXPLORER === 'on' : !isProduction,
    desk: !values.SUPERGRAPH && (values.DESK ? values.DESK === 'on' : !isProduction),
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
    freshAllowed: values.CLIENT_NO_CACHE ? values.CLIENT_NO_CACHE === 'on' : !isProduction,
  };
};
