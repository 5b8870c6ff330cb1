import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';

/** An http or https URL. */
export const HttpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** Environment variables as a process receives them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The configuration is invalid. The message names each invalid variable and never contains its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the variables that `schema` names, and no others.
 *
 * An empty value counts as unset, as with `NAME=` in an `.env` file. For each variable in `secretsFromFiles`, `NAME_FILE` may
 * name a file with the value instead, as is usual for container secrets.
 *
 * Throws ConfigError naming every variable that is missing or malformed.
 */
export const readEnv = <Shape extends z.ZodObject>(
  schema: Shape,
  env: Env,
  secretsFromFiles: readonly (keyof Shape['shape'] & string)[] = [],
): z.output<Shape> => {
  const values: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value) values[name] = value;
  }
  const problems = new Map<string, string>();
  for (const name of secretsFromFiles) {
    const path = env[`${name}_FILE`];
    if (!path) continue;
    try {
      if (values[name]) throw new ConfigError(`${name} and ${name}_FILE are both set; set one of them.`);
      values[name] = readSecretFile(`${name}_FILE`, path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.set(name, error.message);
    }
  }
  const parsed = schema.safeParse(values, { error: toRequirement });
  if (parsed.success && problems.size === 0) return parsed.data;
  for (const { path, message } of parsed.error?.issues ?? []) {
    // Only the first problem of a variable is reported. Others usually follow from it or concern further list items.
    const name = String(path[0]);
    if (!problems.has(name)) problems.set(name, `${name}: ${message}`);
  }
  throw new ConfigError([...problems.values()].join('\n'));
};

/** Runs all readers and returns their results. Throws one ConfigError with the deduplicated messages of all that fail. */
export const readEach = <Values extends readonly unknown[]>(
  ...readers: { [Index in keyof Values]: () => Values[Index] }
): Values => {
  const problems = new Set<string>();
  const values = readers.map((read) => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.message.split('\n')) problems.add(problem);
      return undefined;
    }
  });
  if (problems.size > 0) throw new ConfigError([...problems].join('\n'));
  return values as unknown as Values;
};

/** Returns the names of the variables that are set: `NAME`, or `NAME_FILE` for a secret in a file. */
export const namesOfSet = (names: readonly string[], env: Env): string[] =>
  names.flatMap((name) => [name, `${name}_FILE`].filter((variable) => env[variable]));

/**
 * Loads variables into the process environment from the file named by `ENV_FILE`, by default `.env` in the working directory.
 * Variables that are already set take precedence. Throws ConfigError if the named file is missing or a file cannot be read.
 */
export const loadEnvFile = (env: Env): void => {
  const envFile = env['ENV_FILE'];
  try {
    process.loadEnvFile(envFile || '.env');
  } catch (cause) {
    if (envFile) throw new ConfigError('ENV_FILE: the file cannot be read.', { cause });
    if (!isMissing(cause)) throw new ConfigError('.env: the file cannot be read.', { cause });
  }
};

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Returns the requirement that a variable violates, if the schema has no message of its own. */
export const toRequirement: z.core.$ZodErrorMap = (issue) => {
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

/** Maximum size of a file with a secret, in bytes. */
const MAX_SECRET_BYTES = 64 * 1024;

const readSecretFile = (name: string, path: string): string => {
  let text: string;
  try {
    const stat = statSync(path);
    // A pipe would be waited for, and hold up the process.
    if (!stat.isFile() || stat.size > MAX_SECRET_BYTES) throw new Error('It is no file, or too large.');
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ConfigError(`${name}: the file cannot be read.`, { cause });
  }
  if (!text) throw new ConfigError(`${name}: the file is empty.`);
  return text;
};
