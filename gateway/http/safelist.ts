import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ApolloServer } from '@apollo/server';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { ConfigError } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';

/*
 * The operations that apps were built with, so that a public graph serves those and no others. Apps send an operation's
 * hash instead of its text.
 */

/** The form that Apollo's tools for web, iOS and Kotlin write, and `clients/codegen.mjs`. */
const Manifest = z.object({
  format: z.literal('apollo-persisted-query-manifest'),
  version: z.literal(1),
  operations: z.array(z.object({ id: z.string().min(1), name: z.string(), body: z.string().min(1) })),
});

export type Safelist = {
  /** The text of an operation by its id. */
  readonly textOf: (id: string) => string | undefined;
  /** Whether the list has this text. */
  readonly hasText: (text: string) => boolean;
};

/** Reads the lists of several apps into one. Throws ConfigError naming the file, or the id that means two operations. */
export const readSafelist = async (files: readonly string[]): Promise<Safelist> => {
  const fail = (why: string): never => {
    throw new ConfigError(`SAFELIST_MANIFESTS: ${why}`);
  };
  const byId = new Map<string, string>();
  const texts = new Set<string>();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => fail(`${file} cannot be read.`));
    const { data, error } = Manifest.safeParse(parseJson(text));
    if (!data) return fail(`${file} is no manifest of persisted operations: ${z.prettifyError(error)}`);
    for (const { id, body } of data.operations) {
      if ((byId.get(id) ?? body) !== body)
        fail(`${file} has another operation for the id ${id} than a file before it.`);
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

/** The cache that Apollo Server looks persisted operations up in: those of the list are in it from the start, for good. */
export const withListed = (safelist: Safelist, cache: ApolloServer['cache']): ApolloServer['cache'] => ({
  get: async (key) => safelist.textOf(key.slice(key.indexOf(':') + 1)) ?? cache.get(key),
  set: (key, value, options) => cache.set(key, value, options),
  delete: (key) => cache.delete(key),
});

/** A request to the graph, as far as it names an operation. */
export type NamedOperation = {
  readonly query?: string | undefined;
  readonly operationName?: string | undefined;
  readonly hash?: string | undefined;
};

/** Reads it from a body or a query string, in which `extensions` is text. What is malformed is left to others. */
export const readNamedOperation = (given: unknown): NamedOperation => {
  const { query, operationName, extensions } = Named.parse(given);
  return { query, operationName, hash: extensions?.persistedQuery?.sha256Hash };
};

/** Whether the hash of a persisted query is something else than text, which Apollo Server takes for text. */
export const hasUnreadableHash = (given: unknown): boolean => {
  // Few requests have any, and a schema that refuses all others would make an error for each.
  const extensions = propertyOf(given, 'extensions');
  const read = typeof extensions === 'string' ? parseJson(extensions) : extensions;
  const hash = propertyOf(propertyOf(read, 'persistedQuery'), 'sha256Hash');
  return hash !== undefined && typeof hash !== 'string';
};

const propertyOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const Extensions = z.object({ persistedQuery: z.object({ sha256Hash: z.string() }).optional() });

const Named = z
  .object({
    query: z.string().optional().catch(undefined),
    operationName: z.string().optional().catch(undefined),
    extensions: z
      .preprocess((value) => (typeof value === 'string' ? parseJson(value) : value), Extensions.optional())
      .catch(undefined),
  })
  .catch({});

export type Refusal = { readonly status: number; readonly message: string; readonly code: string };

// Clients can make up any number of operations.
const MAX_NAMED = 1_000;

/**
 * Tells whether an operation is refused for not being on the list, and names it in the log, once for each operation.
 * While it is only learning nothing is refused.
 */
export const createSafelistGuard = (safelist: Safelist, { reportOnly, log }: { reportOnly: boolean; log: Log }) => {
  const named = new LRUCache<string, true>({ max: MAX_NAMED });

  const name = ({ query, operationName, hash = query && hashOf(query) }: NamedOperation, client: object): void => {
    if (hash === undefined) return;
    // The name counts too: a client may send the hash alone first, and say what it is later.
    const known = `${hash} ${operationName}`;
    if (named.has(known)) return;
    named.set(known, true);
    log.warn(
      { operationName, hash, ...client },
      reportOnly ? 'An operation is not on the safelist.' : 'Refused: an operation is not on the safelist.',
    );
  };

  return (operation: NamedOperation, client: object): Refusal | undefined => {
    const { query, hash } = operation;
    // Apollo Server says what is wrong with a request that names nothing.
    if (query === undefined && hash === undefined) return undefined;
    if (query === undefined ? safelist.textOf(hash ?? '') !== undefined : safelist.hasText(query)) return undefined;
    name(operation, client);
    if (reportOnly) return undefined;
    return query === undefined
      ? { status: 404, message: 'No operation of this id is known here.', code: 'PERSISTED_QUERY_NOT_IN_LIST' }
      : { status: 403, message: 'Only known operations are served here.', code: 'QUERY_NOT_IN_SAFELIST' };
  };
};
