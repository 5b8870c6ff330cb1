import { readFileSync } from 'node:fs';
import type { z } from 'zod';

/** Environment variables as a process receives them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The configuration cannot be used. The message names each variable at fault and never repeats its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the variables that `schema` names, and only those.
 *
 * An empty value counts as not set, as in an `.env` file with `NAME=`. For each variable in `secretsFromFiles`,
 * `NAME_FILE` may hold the path of a file with the value instead (the way container secrets arrive).
 *
 * Throws ConfigError naming every variable that is missing or malformed.
 */
export const readEnv = <Shape extends z.ZodObject>(
  schema: Shape,
  env: Env,
  secretsFromFiles: readonly (keyof Shape['shape'] & string)[] = [],
): z.output<Shape> => {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value) given[name] = value;
  }
  for (const name of secretsFromFiles) {
    const path = env[`${name}_FILE`];
    if (!path) continue;
    if (given[name]) throw new ConfigError(`${name} and ${name}_FILE are both set; set one of them.`);
    given[name] = readSecretFile(`${name}_FILE`, path);
  }
  const parsed = schema.safeParse(given, { error: toRequirement });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map((issue) => `${issue.path.join('.') || 'configuration'}: ${issue.message}`).join('\n'),
  );
};

/**
 * Adds the variables of a file to those of the process, `env`, which win: of `.env` in the working folder, or of the file that
 * `ENV_FILE` names. Throws ConfigError where the named one is not there, or the file cannot be read.
 */
export const loadEnvFile = (env: Env): void => {
  const named = env['ENV_FILE'];
  try {
    process.loadEnvFile(named || '.env');
  } catch (cause) {
    if (named) throw new ConfigError('ENV_FILE: the file cannot be read.', { cause });
    if (!isMissing(cause)) throw new ConfigError('.env: the file cannot be read.', { cause });
  }
};

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** What a variable must be, where the schema does not say it in words of its own. */
const toRequirement: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be a ${issue.expected === 'int' ? 'whole ' : ''}number`;
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
    default:
      return undefined;
  }
};

const readSecretFile = (name: string, path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ConfigError(`${name}: the file cannot be read.`, { cause });
  }
};
