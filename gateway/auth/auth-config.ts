import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ConfigError, type Env, namesOfSet, readEach, readEnv } from '../../runtime/env.ts';
import { fileVariables } from '../../runtime/watch-files.ts';
import { loadYaml } from '../../runtime/yaml.ts';
import { checkApiKeyFile } from './api-key-file.ts';
import { CertificateGrant } from './certificates.ts';
import { type IssuerConfig, type IssuerSettingName, readIssuer, type SettingProblem } from './issuer-settings.ts';

const ApiKeysEnv = z.object({
  API_KEYS_FILE: z.string().optional(),
  API_KEYS_STORE: z.enum(['file', 'redis']).optional(),
});

/** The environment variables of authentication. `readIssuer` checks those of the issuer. */
export const AuthEnv = z.object({
  AUTH: z.enum(['none', 'development', 'optional', 'required']).optional(),
  AUTH_CONFIG: z.string().optional(),
  ...ApiKeysEnv.shape,
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_JWKS_URL: z.string().optional(),
  JWT_PUBLIC_KEY: z.string().optional(),
  JWT_SECRET: z.string().optional(),
  JWT_ALGORITHMS: z.string().optional(),
  JWT_CLOCK_TOLERANCE_S: z.string().optional(),
  JWT_SUBJECT_CLAIM: z.string().optional(),
  JWT_SCOPE_CLAIM: z.string().optional(),
  JWT_TENANT_CLAIM: z.string().optional(),
  JWT_CUSTOMER_EMAIL_CLAIM: z.string().optional(),
});

export const AUTH_SECRETS = ['JWT_PUBLIC_KEY', 'JWT_SECRET'] as const;

type AuthValues = z.output<typeof AuthEnv>;

const SETTING_VARIABLES = {
  issuer: 'JWT_ISSUER',
  audience: 'JWT_AUDIENCE',
  jwksUrl: 'JWT_JWKS_URL',
  publicKey: 'JWT_PUBLIC_KEY',
  secret: 'JWT_SECRET',
  algorithms: 'JWT_ALGORITHMS',
  clockToleranceS: 'JWT_CLOCK_TOLERANCE_S',
  subjectClaim: 'JWT_SUBJECT_CLAIM',
  scopeClaim: 'JWT_SCOPE_CLAIM',
  tenantClaim: 'JWT_TENANT_CLAIM',
  customerEmailClaim: 'JWT_CUSTOMER_EMAIL_CLAIM',
} as const satisfies Partial<Record<IssuerSettingName, keyof AuthValues>>;

const AuthFile = z
  .strictObject({ issuers: z.array(z.unknown()).default([]), certificates: z.array(CertificateGrant).default([]) })
  .refine(({ issuers, certificates }) => issuers.length + certificates.length > 0);

type AuthFile = z.output<typeof AuthFile>;

export type AuthConfig = {
  /** The treatment of requests without credentials: they may do everything, only what anyone may, or nothing. */
  readonly withoutCredentials: 'unrestricted' | 'anonymous' | 'refused';
  /** Whether the development issuer runs. */
  readonly development: boolean;
  readonly issuers: readonly IssuerConfig[];
  readonly apiKeys: ApiKeysConfig | undefined;
  /** The files with static keys of issuers, and the variables that name them. */
  readonly keyFiles: {
    readonly paths: readonly string[];
    readonly variables: readonly string[];
    /** Reads the issuers again, with their keys as they are now. Throws ConfigError. */
    readonly readIssuers: () => readonly IssuerConfig[];
  };
  /** The rights of client certificates. */
  readonly certificates: readonly CertificateGrant[];
};

/** Where API keys are. */
export type ApiKeysConfig = { readonly store: 'file'; readonly path: string } | { readonly store: 'redis' };

/** Reads where API keys are. Undefined if there are none. Throws ConfigError. */
export const readApiKeysConfig = (env: Env): ApiKeysConfig | undefined => {
  const { API_KEYS_FILE: path, API_KEYS_STORE: store = path && 'file' } = readEnv(ApiKeysEnv, env);
  if (store === 'redis') {
    if (path) throw new ConfigError('API_KEYS_FILE: must not be set with API_KEYS_STORE=redis');
    if (namesOfSet(['REDIS_URL'], env).length === 0)
      throw new ConfigError('REDIS_URL: is required with API_KEYS_STORE=redis');
    return { store };
  }
  if (store && !path) throw new ConfigError('API_KEYS_FILE: is required with API_KEYS_STORE=file');
  return path ? { store: 'file', path } : undefined;
};

/** Whether requests are authenticated at all. Otherwise, everyone may do everything, and credentials are ignored. */
export const authenticatesRequests = ({ withoutCredentials, development }: AuthConfig): boolean =>
  withoutCredentials !== 'unrestricted' || development;

/** Reads how clients are authenticated. Throws ConfigError naming every variable at fault. */
export const readAuthConfig = (env: Env): AuthConfig => {
  const [values, apiKeys] = readEach(
    () => readEnv(AuthEnv, env, AUTH_SECRETS),
    () => readApiKeysConfig(env),
  );
  const problems: string[] = [];
  if (apiKeys?.store === 'file') checkApiKeyFile(apiKeys.path);
  const { issuers, certificates } = readIssuersAndCertificates(values, problems);
  if (hasDuplicates(certificates.map(({ subject }) => subject)))
    problems.push('AUTH_CONFIG: must name each subject of a certificate once');
  if (hasDuplicates(issuers.map(({ issuer }) => issuer))) problems.push('AUTH_CONFIG: must name each issuer once');
  const methods = namesOfSet(METHODS, env);
  const mode = values.AUTH ?? (methods.length > 0 ? 'required' : undefined);
  const process = { isProduction: env['NODE_ENV'] === 'production', hasWorkers: Number(env['CLUSTER_WORKERS']) > 1 };
  const problem = checkMode(mode, methods, process);
  if (problem) problems.push(`AUTH: ${problem}`);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return {
    issuers,
    keyFiles: findKeyFiles(env, issuers),
    apiKeys,
    certificates,
    // Each worker would have a key of its own.
    development: mode === 'development' || (mode === undefined && !process.hasWorkers),
    withoutCredentials: WITHOUT_CREDENTIALS[mode ?? 'none'],
  };
};

const readIssuersAndCertificates = (
  values: AuthValues,
  problems: string[],
): Pick<AuthConfig, 'issuers' | 'certificates'> => {
  const ofVariables = readEnvIssuer(values, problems);
  const { issuers, certificates } = readFile(values.AUTH_CONFIG, problems);
  return { issuers: [...ofVariables, ...issuers], certificates };
};

const findKeyFiles = (env: Env, issuers: readonly IssuerConfig[]): AuthConfig['keyFiles'] => {
  const variables = fileVariables(AUTH_SECRETS).filter((name) => env[name]);
  const ofFile = issuers.flatMap(({ keyFile }) => keyFile ?? []);
  return {
    paths: [...variables.map((name) => env[name] ?? ''), ...ofFile],
    variables: [...variables, ...(ofFile.length > 0 ? ['AUTH_CONFIG'] : [])],
    readIssuers: () => {
      const problems: string[] = [];
      const read = readIssuersAndCertificates(readEnv(AuthEnv, env, AUTH_SECRETS), problems);
      if (problems.length > 0) throw new ConfigError(problems.join('\n'));
      return read.issuers;
    },
  };
};

const hasDuplicates = (names: readonly string[]): boolean => new Set(names).size < names.length;

const WITHOUT_CREDENTIALS = {
  none: 'unrestricted',
  development: 'anonymous',
  optional: 'anonymous',
  required: 'refused',
} as const satisfies Record<NonNullable<AuthValues['AUTH']>, AuthConfig['withoutCredentials']>;

/** The variables of which each configures a method of authentication. */
const METHODS = ['JWT_ISSUER', 'AUTH_CONFIG', 'API_KEYS_FILE', 'API_KEYS_STORE'] as const;

const checkMode = (
  mode: AuthValues['AUTH'],
  [first]: readonly string[],
  { isProduction, hasWorkers }: { readonly isProduction: boolean; readonly hasWorkers: boolean },
): string | undefined => {
  const choice = `one of ${METHODS.join(', ')}`;
  switch (mode) {
    case 'none':
      return first && `must not be none with ${first}`;
    case 'development':
      if (isProduction) return 'must not be development in production';
      return hasWorkers ? 'must not be development with CLUSTER_WORKERS, as each worker has its own key' : undefined;
    case undefined:
      return isProduction
        ? `is required in production without ${choice}. With AUTH=none, everyone may do everything.`
        : undefined;
    default:
      return first ? undefined : `must be used with ${choice}`;
  }
};

const readEnvIssuer = (values: AuthValues, problems: string[]): IssuerConfig[] => {
  const settings = Object.entries(SETTING_VARIABLES).flatMap(([setting, variable]) =>
    values[variable] === undefined ? [] : [[setting, values[variable]] as const],
  );
  if (settings.length === 0) return [];
  const nameOf = (setting: string) => SETTING_VARIABLES[setting as keyof typeof SETTING_VARIABLES];
  return collect(readIssuer(Object.fromEntries(settings), '.'), problems, (setting) => `${nameOf(setting)}:`);
};

const readFile = (path: string | undefined, problems: string[]): Pick<AuthConfig, 'issuers' | 'certificates'> => {
  if (path === undefined) return { issuers: [], certificates: [] };
  const file = parseFile(path);
  if (typeof file === 'string') {
    problems.push(`AUTH_CONFIG: ${file}`);
    return { issuers: [], certificates: [] };
  }
  const issuers = file.issuers.flatMap((settings, index) =>
    collect(readIssuer(settings, dirname(path)), problems, (setting) =>
      ['AUTH_CONFIG: issuers', index, setting].filter((part) => part !== '').join('.'),
    ),
  );
  return { issuers, certificates: file.certificates };
};

/** Returns the content of the file, or what is wrong with it. */
const parseFile = (path: string): AuthFile | string => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return 'the file cannot be read';
  }
  try {
    return AuthFile.parse(loadYaml().parse(text));
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : [];
    // Only the positions within a list say more than the whole.
    const place = issue && issue.path.length > 1 ? ` (${issue.path.join('.')})` : '';
    return `must be a YAML file with a list of issuers or certificates${place}`;
  }
};

const collect = (
  read: IssuerConfig | readonly SettingProblem[],
  problems: string[],
  toName: (setting: string) => string,
): IssuerConfig[] => {
  if ('issuer' in read) return [read];
  problems.push(...read.map(({ setting, message }) => `${toName(setting)} ${message}`));
  return [];
};
