import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ApolloServer } from '@apollo/server';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { monotonicNow } from '../../runtime/clock.ts';
import { ConfigError } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';

/*
 * The safelist has the operations that client apps were built with. A public graph can serve those and no others. Apps may send
 * an operation's hash instead of its text.
 */

/** The manifest format written by Apollo's tools for web, iOS and Kotlin, and by `clients/codegen.mjs`. */
const Manifest = z.object({
  format: z.literal('apollo-persisted-query-manifest'),
  version: z.literal(1),
  operations: z.array(z.object({ id: z.string().min(1), name: z.string(), body: z.string().min(1) })),
});

export type Safelist = {
  /** Returns the text of an operation by its ID. */
  readonly textOf: (id: string) => string | undefined;
  /** Returns whether the safelist contains this text. */
  readonly hasText: (text: string) => boolean;
};

/** Reads the manifests of several apps. Throws ConfigError naming the invalid file, or the ID with two different operations. */
export const readSafelist = async (files: readonly string[]): Promise<Safelist> => {
  const fail = (reason: string): never => {
    throw new ConfigError(`SAFELIST_MANIFESTS: ${reason}`);
  };
  const byId = new Map<string, string>();
  const texts = new Set<string>();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => fail(`${file} cannot be read.`));
    const { data, error } = Manifest.safeParse(parseJson(text));
    if (!data) return fail(`${file} is not a persisted query manifest: ${z.prettifyError(error)}`);
    for (const { id, body } of data.operations) {
      if ((byId.get(id) ?? body) !== body)
        fail(`${file} defines ID ${id} with a different operation than a previous file.`);
      byId.set(id, body);
      texts.add(hashOf(body));
    }
  }
  return { textOf: (id) => byId.get(id), hasText: (text) => texts.has(hashOf(text)) };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Wraps Apollo Server's cache of persisted operations so that it permanently contains those of the safelist. */
export const withSafelistedOperations = (safelist: Safelist, cache: ApolloServer['cache']): ApolloServer['cache'] => ({
  get: async (key) => safelist.textOf(key.slice(key.indexOf(':') + 1)) ?? cache.get(key),
  set: (key, value, options) => cache.set(key, value, options),
  delete: (key) => cache.delete(key),
});

/** The part of a GraphQL request that identifies its operation. */
export type RequestedOperation = {
  readonly query?: string | undefined;
  readonly operationName?: string | undefined;
  readonly hash?: string | undefined;
};

/** Reads the operation from a body or from query parameters, where `extensions` is JSON text. Ignores malformed values. */
export const readRequestedOperation = (parameters: unknown): RequestedOperation => {
  const { query, operationName, extensions } = Parameters.parse(parameters);
  return { query, operationName, hash: extensions?.persistedQuery?.sha256Hash };
};

/** Returns whether the hash of a persisted query is not a string. Apollo Server does not check that. */
export const hasInvalidHash = (parameters: unknown): boolean => {
  // Few requests have a hash. A Zod schema would create an error object for each of the others.
  const extensions = propertyOf(parameters, 'extensions');
  const read = typeof extensions === 'string' ? parseJson(extensions) : extensions;
  const hash = propertyOf(propertyOf(read, 'persistedQuery'), 'sha256Hash');
  return hash !== undefined && typeof hash !== 'string';
};

const propertyOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const Extensions = z.object({ persistedQuery: z.object({ sha256Hash: z.string() }).optional() });

const Parameters = z
  .object({
    query: z.string().optional().catch(undefined),
    operationName: z.string().optional().catch(undefined),
    extensions: z
      .preprocess((value) => (typeof value === 'string' ? parseJson(value) : value), Extensions.optional())
      .catch(undefined),
  })
  .catch({});

export type Refusal = { readonly status: number; readonly message: string; readonly code: string };

// Clients can send any number of different operations, and names and IDs of any length.
const MAX_LOGGED_OPERATIONS = 1_000;
const MAX_LINES_PER_MINUTE = 60;
const MAX_LOGGED_CHARS = 200;

/**
 * Creates a check that returns a refusal for operations that are not on the safelist. Logs each such operation once. With
 * `reportOnly`, operations are logged but not refused.
 */
export const createSafelistGuard = (safelist: Safelist, { reportOnly, log }: { reportOnly: boolean; log: Log }) => {
  const logged = new LRUCache<string, true>({ max: MAX_LOGGED_OPERATIONS });
  let minute = { startedAt: Number.NEGATIVE_INFINITY, lines: 0 };
  let suppressed = 0;

  /** Whether another line may be logged now. */
  const takeLine = (): boolean => {
    const now = monotonicNow();
    if (now - minute.startedAt >= 60_000) minute = { startedAt: now, lines: 0 };
    minute.lines += 1;
    return minute.lines <= MAX_LINES_PER_MINUTE;
  };

  const logOnce = (
    { query, operationName, hash = query && hashOf(query) }: RequestedOperation,
    client: object,
  ): void => {
    if (hash === undefined) return;
    // The name is part of the key: a client may send the hash alone first, and the named operation later.
    const key = hashOf(`${hash} ${operationName}`);
    if (logged.has(key)) return;
    logged.set(key, true);
    if (!takeLine()) {
      suppressed += 1;
      return;
    }
    log.warn(
      {
        operationName: operationName?.slice(0, MAX_LOGGED_CHARS),
        hash: hash.slice(0, MAX_LOGGED_CHARS),
        ...client,
        ...(suppressed > 0 && { suppressed }),
      },
      reportOnly ? 'An operation is not on the safelist.' : 'Refused an operation that is not on the safelist.',
    );
    suppressed = 0;
  };

  return (operation: RequestedOperation, client: object): Refusal | undefined => {
    const { query, hash } = operation;
    // Apollo Server rejects requests without an operation.
    if (query === undefined && hash === undefined) return undefined;
    if (query === undefined ? safelist.textOf(hash ?? '') !== undefined : safelist.hasText(query)) return undefined;
    logOnce(operation, client);
    if (reportOnly) return undefined;
    return query === undefined
      ? { status: 404, message: 'There is no persisted operation with this ID.', code: 'PERSISTED_QUERY_NOT_IN_LIST' }
      : { status: 403, message: 'This operation is not on the safelist.', code: 'QUERY_NOT_IN_SAFELIST' };
  };
};
