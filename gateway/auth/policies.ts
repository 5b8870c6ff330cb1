import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';

/** The request for which policies are decided. */
export type PolicyRequest = {
  readonly identity: Identity;
  /** All headers of the HTTP request, by their lowercase names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly operationName: string | undefined;
};

/**
 * Decides which of the policies in `@policy` directives a request satisfies. The default export of the module that `POLICIES`
 * names. Called once per request, with all policies that the operation mentions.
 */
export type DecidePolicies = (
  policies: readonly string[],
  request: PolicyRequest,
) => Iterable<string> | Promise<Iterable<string>>;

/** Loads the module that decides policies. Throws ConfigError. */
export const loadPolicies = async (file: string): Promise<DecidePolicies> => {
  const module = await import(pathToFileURL(resolve(file)).href).catch((cause: unknown) => {
    const [why = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    throw new ConfigError(`POLICIES: ${file} cannot be loaded: ${why.replace(/\.$/, '')}.`, { cause });
  });
  if (typeof module.default !== 'function') {
    throw new ConfigError(`POLICIES: ${file} must have a function as its default export.`);
  }
  return module.default;
};

export type PolicyOptions = {
  readonly decide: DecidePolicies;
  /** Maximum time for one request, in milliseconds. */
  readonly timeoutMs: number;
  readonly log: Log;
};

/** Returns the policies that a request satisfies. None if `decide` fails or takes too long; that is logged. */
export const findSatisfied = async (
  policies: readonly string[],
  request: PolicyRequest,
  { decide, timeoutMs, log }: PolicyOptions,
): Promise<ReadonlySet<string>> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const error = new Error(`It took more than ${timeoutMs} ms (POLICY_TIMEOUT_MS).`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    const satisfied = await Promise.race([decide(policies, request), timeout]);
    // A string is iterable, too.
    if (typeof satisfied !== 'object') throw new TypeError('It returned no list of policies.');
    return new Set(satisfied);
  } catch (error) {
    log.error({ err: error, policies }, 'The policies could not be decided. They count as not satisfied.');
    return new Set();
  } finally {
    clearTimeout(timer);
  }
};
