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
  const problems = new Map<string, string>();
  for (const name of secretsFromFiles) {
    const path = env[`${name}_FILE`];
    if (!path) continue;
    try {
      if (given[name]) throw new ConfigError(`${name} and ${name}_FILE are both set; set one of them.`);
      given[name] = readSecretFile(`${name}_FILE`, path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.set(name, error.message);
    }
  }
  const parsed = schema.safeParse(given, { error: toRequirement });
  if (parsed.success && problems.size === 0) return parsed.data;
  for (const { path, message } of parsed.error?.issues ?? []) {
    // The first says enough: the others follow from it, or are about further items of a list.
    const name = String(path[0]);
    if (!problems.has(name)) problems.set(name, `${name}: ${message}`);
  }
  throw new ConfigError([...problems.values()].join('\n'));
};

/** Runs every reader and returns what they have read. Throws one ConfigError with the messages of all that fail, each once. */
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

/** Those of the variables that are set, by the names they are set by: `NAME`, or `NAME_FILE` for a secret in a file. */
export const namesOfSet = (names: readonly string[], env: Env): string[] =>
  names.flatMap((name) => [name, `${name}_FILE`].filter((given) => env[given]));

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
