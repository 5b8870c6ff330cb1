import { z } from 'zod';
import { EVENTS_SHAPE, toEventStoreConfig } from '../events/settings.ts';
import { ADMIN_SHAPE, toAdminConfig } from '../runtime/admin/config.ts';
import { ConfigError, type Env, readEnv } from '../runtime/env.ts';
import { createHostPolicy } from '../runtime/hosts.ts';
import { allowedHosts, HttpEnv, Milliseconds, OptionalMilliseconds, toHttpLimits } from '../runtime/http-limits.ts';
import { LOG_LEVELS } from '../runtime/log.ts';
import { METRICS_SHAPE, toMetricsConfig } from '../telemetry/metrics/config.ts';
import { OTLP_SECRETS, OTLP_SHAPE, toOtlpConfig } from '../telemetry/otlp.ts';
import { READINESS_SHAPE, readinessProblem } from '../telemetry/status/readiness.ts';
import { TRACES_SHAPE, toTracesConfig } from '../telemetry/traces/config.ts';
import { subgraphs } from './index.ts';
import { createLimitsShape, readLimits, SUBGRAPH_LIMITS } from './kit/limits/limits-env.ts';
import { SECRET_REQUIRED, SubgraphSecret } from './kit/protocol/signed-identity.ts';
import { createSubgraphSecrets } from './kit/protocol/subgraph-secrets.ts';

const NAMES = subgraphs.map(({ name }) => name);
const PROVIDERS = new Set(subgraphs.map(({ provider }) => provider.name));

const SandboxUrls = z.string().transform((text, { addIssue }) => {
  const urls = new Map<string, string>();
  for (const pair of text.split(',').map((part) => part.trim())) {
    const [, provider = '', url = ''] = /^([\w-]+)=(https?:\/\/.+)$/.exec(pair) ?? [];
    if (!PROVIDERS.has(provider) || !URL.canParse(url)) {
      const message = `must be like stripe=http://stripe:4011, with providers of ${[...PROVIDERS].join(', ')}`;
      addIssue({ code: 'custom', message });
    } else urls.set(provider, url.replace(/\/$/, ''));
  }
  return urls;
});

/** The variables of a process that serves subgraphs. */
export const SubgraphProcessEnv = HttpEnv.extend({
  SUBGRAPHS: z
    .string(`is required: the subgraphs to serve, of ${NAMES.join(', ')}`)
    .transform((value) => value.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(NAMES, `must be a list of: ${NAMES.join(', ')}`)).min(1)),
  SANDBOX_URLS: SandboxUrls.default(new Map()),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4001),
  ...ADMIN_SHAPE,
  ...OTLP_SHAPE,
  ...METRICS_SHAPE,
  ...READINESS_SHAPE,
  ...TRACES_SHAPE,
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  SHUTDOWN_DELAY_MS: OptionalMilliseconds.default(0),
  SHUTDOWN_GRACE_MS: Milliseconds.default(10_000),
  REQUEST_TIMEOUT_MS: Milliseconds.default(20_000),
  MAX_REQUESTS: z.coerce.number().int().positive().default(1_000),
  MAX_WAITING_REQUESTS: z.coerce.number().int().min(0).default(1_000),
  PACE_REQUESTS: z.enum(['on', 'off']).default('on'),
  // A gateway requests thousands of entities at once, each with two or more values.
  MAX_BODY_VALUES: z.coerce.number().int().positive().default(60_000),
  SUBGRAPH_SECRET: SubgraphSecret.optional(),
  ...EVENTS_SHAPE,
  ...createLimitsShape(SUBGRAPH_LIMITS),
});

const ServedEnv = SubgraphProcessEnv.pick({ SUBGRAPHS: true, SANDBOX_URLS: true });

/** Reads the names of the subgraphs to serve, and the URLs of sandboxes by provider. Throws ConfigError. */
export const readServed = (env: Env) => {
  const { SUBGRAPHS, SANDBOX_URLS } = readEnv(ServedEnv, env);
  return { names: SUBGRAPHS, sandboxUrls: SANDBOX_URLS };
};

/** The variables that may be read from files. */
const SUBGRAPH_PROCESS_SECRETS = ['SUBGRAPH_SECRET', 'EVENTS_URL', ...OTLP_SECRETS] as const;

/** The default name of the process in telemetry: that of its subgraph, if it has only one. */
const serviceNameOf = (names: readonly string[]): string => `tributary-${names.length === 1 ? names[0] : 'subgraphs'}`;

/** Reads the configuration. Throws ConfigError naming each variable that is missing or malformed. */
export const readConfig = (env: Env) => {
  const values = readEnv(SubgraphProcessEnv, env, SUBGRAPH_PROCESS_SECRETS);
  if (values.NODE_ENV === 'production' && !values.SUBGRAPH_SECRET) throw new ConfigError(SECRET_REQUIRED);
  const otlp = toOtlpConfig(values, { defaultServiceName: serviceNameOf(values.SUBGRAPHS), env });
  const problem = readinessProblem(values.READINESS, NAMES);
  if (problem) throw new ConfigError(problem);
  return {
    port: values.PORT,
    host: values.HOST,
    logLevel: values.LOG_LEVEL,
    readiness: values.READINESS,
    admin: toAdminConfig(values, values.ALLOWED_HOSTS),
    metrics: toMetricsConfig(values, otlp),
    traces: toTracesConfig(values, otlp),
    shutdownDelayMs: values.SHUTDOWN_DELAY_MS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    admission: {
      running: values.MAX_REQUESTS,
      waiting: values.MAX_WAITING_REQUESTS,
      isPaced: values.PACE_REQUESTS === 'on',
    },
    http: toHttpLimits(values),
    documentLimits: readLimits(values),
    secrets: createSubgraphSecrets(env, values.SUBGRAPH_SECRET),
    hosts: createHostPolicy(allowedHosts(values)),
    // Without either, the process does not hear of changes.
    events: values.EVENTS_URL || values.EVENTS_FILE ? toEventStoreConfig(values) : undefined,
  };
};
