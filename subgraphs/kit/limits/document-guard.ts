import type { ApolloServerOptionsWithSchema, ApolloServerPlugin, BaseContext } from '@apollo/server';
import { ApolloServerErrorCode } from '@apollo/server/errors';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  parse,
  type SourceLocation,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { raceAbort } from '../../../runtime/race-abort.ts';
import type { TurnQueue } from '../../../runtime/turn-queue.ts';
import { toClientText } from './client-text.ts';
import { checkDocument, checkSource, type DocumentLimits } from './document-limits.ts';
import { toAbortError } from './timed-out.ts';

/** Validates a document against a schema. A rejected promise fails only this request; it is not cached. */
export type Validate = (
  schema: GraphQLSchema,
  document: DocumentNode,
) => readonly GraphQLError[] | Promise<readonly GraphQLError[]>;

export type DocumentGuardOptions<Context> = {
  readonly limits: DocumentLimits;
  readonly validate: Validate;
  /** Returns the signal that aborts at a request's deadline or when its client leaves. */
  readonly signalOf: (context: Context) => AbortSignal;
  /** Spreads the parsing of long texts over the event loop. */
  readonly turns: TurnQueue;
};

export type DocumentGuard<Context extends BaseContext> = {
  /** Must be the first plugin. */
  readonly plugin: ApolloServerPlugin<Context>;
  /** Apollo Server options that leave parsing and validation to the guard. */
  readonly options: Required<
    Pick<ApolloServerOptionsWithSchema<Context>, 'documentStore' | 'dangerouslyDisableValidation'>
  >;
};

/** The cached result of a source text. */
type Entry = {
  /** Undefined for a text that was rejected before it was parsed. */
  readonly document: DocumentNode | undefined;
  readonly refusal: GraphQLError | undefined;
  readonly validity: WeakMap<GraphQLSchema, readonly GraphQLError[] | Promise<readonly GraphQLError[]>>;
  readonly bytes: number;
};

/** Measured: 750 documents of 400 fields took 310 bytes a token, with the locations that error messages need. */
const BYTES_PER_TOKEN = 310;
const BYTES_PER_CHAR = 2;

/** Maximum memory of cached documents, in bytes. */
const MAX_CACHE_BYTES = 30 * 1024 * 1024;

/** The document that Apollo Server gets for a text without one. It is never executed. */
const PLACEHOLDER = parse('{ __typename }');

/**
 * Parses and validates documents for an Apollo Server, within limits. A text is checked before it is parsed, and a
 * document before it is validated.
 *
 * Apollo Server has no hook before parsing, and its document cache does not count the source text that each document
 * retains, including comments: 2,107 documents with a megabyte of comments each took 4 GB.
 */
export const createDocumentGuard = <Context extends BaseContext>({
  limits,
  validate,
  signalOf,
  turns,
}: DocumentGuardOptions<Context>): DocumentGuard<Context> => {
  const entries = new LRUCache<string, Entry>({ maxSize: MAX_CACHE_BYTES, sizeCalculation: ({ bytes }) => bytes });

  const entryFor = async (hash: string, text: string): Promise<Entry> => {
    const known = entries.get(hash);
    if (known) return known;
    // A text that is too long is rejected without waiting for a turn, because it is not read.
    const turn = text.length <= limits.chars ? turns.take() : undefined;
    if (turn) await turn;
    const entry = read(text, limits);
    entries.set(hash, entry);
    return entry;
  };

  const validityOf = async ({ document, validity }: Entry, schema: GraphQLSchema) => {
    if (!document) return [];
    const known = validity.get(schema);
    if (known) return known;
    const errors = validate(schema, document);
    validity.set(schema, errors);
    try {
      const found = await errors;
      validity.set(schema, found);
      return found;
    } catch (error) {
      validity.delete(schema);
      throw error;
    }
  };

  // Entries that requests are about to look up in the document store, even if the cache has no room for them.
  const handedOver = new Map<string, Entry>();

  const judge = async (hash: string, text: string, schema: GraphQLSchema): Promise<readonly GraphQLError[]> => {
    const entry = await entryFor(hash, text);
    handedOver.set(hash, entry);
    return entry.refusal ? [entry.refusal] : (await validityOf(entry, schema)).map(toValidationError);
  };

  /** Hands over a text that was validated before; returns whether there is one. */
  const handOverValid = (hash: string, schema: GraphQLSchema): boolean => {
    const entry = entries.get(hash);
    const errors = entry?.validity.get(schema);
    if (!entry || !Array.isArray(errors) || errors.length > 0) return false;
    handedOver.set(hash, entry);
    return true;
  };

  const plugin: ApolloServerPlugin<Context> = {
    requestDidStart: async () => {
      let errors: readonly GraphQLError[] = [];
      return {
        didResolveSource: async ({ queryHash, source, schema, contextValue }) => {
          if (handOverValid(queryHash, schema)) return;
          const signal = signalOf(contextValue);
          try {
            errors = await raceAbort(judge(queryHash, source, schema), signal);
          } catch (error) {
            errors = [error === signal.reason ? toAbortError(signal) : toGraphQLError(error)];
            // Otherwise Apollo Server would parse the text without limits.
            if (!handedOver.has(queryHash)) handedOver.set(queryHash, UNREAD);
          }
        },
        didResolveOperation: async ({ queryHash }) => {
          handedOver.delete(queryHash);
          if (errors[0]) throw errors[0];
        },
        willSendResponse: async ({ response, queryHash }) => {
          if (queryHash !== undefined) handedOver.delete(queryHash);
          // Apollo Server takes only one error from a hook.
          if (errors.length > 1 && response.body.kind === 'single') {
            response.body.singleResult.errors = errors.map(toFormatted);
          }
        },
      };
    },
  };

  return {
    plugin,
    options: {
      dangerouslyDisableValidation: true,
      documentStore: {
        get: async (key) => {
          const hash = key.slice(key.lastIndexOf(':') + 1);
          const entry = handedOver.get(hash) ?? entries.get(hash);
          return entry && (entry.document ?? PLACEHOLDER);
        },
        set: async () => {},
        delete: async () => false,
      },
    },
  };
};

/** The entry of a text whose request ended before it was read. */
const UNREAD: Entry = { document: undefined, refusal: undefined, validity: new WeakMap(), bytes: 0 };

const read = (text: string, limits: DocumentLimits): Entry => {
  const refuse = (refusal: GraphQLError): Entry => ({
    document: undefined,
    refusal,
    validity: new WeakMap(),
    // A syntax error retains the text for its location.
    bytes: 1_000 + (refusal.source ? BYTES_PER_CHAR * text.length : 0),
  });
  const refusal = checkSource(text, limits);
  if (refusal) return refuse(refusal);
  let document: DocumentNode;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return refuse(toParseError(error));
  }
  const tooLarge = checkDocument(document, limits);
  if (tooLarge) return refuse(tooLarge);
  const tokens = document.tokenCount ?? 0;
  const bytes = 1_000 + BYTES_PER_CHAR * text.length + BYTES_PER_TOKEN * tokens;
  return { document, refusal: undefined, validity: new WeakMap(), bytes };
};

const toGraphQLError = (error: unknown): GraphQLError =>
  error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error });

const toParseError = (error: GraphQLError): GraphQLError =>
  new GraphQLError(toClientText(error.message), {
    source: error.source ?? null,
    positions: error.positions ?? null,
    extensions: { code: ApolloServerErrorCode.GRAPHQL_PARSE_FAILED, http: { status: 400 } },
  });

const toValidationError = (error: GraphQLError): GraphQLError =>
  new GraphQLError(toClientText(error.message), {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    extensions: {
      code: error.extensions['code'] ?? ApolloServerErrorCode.GRAPHQL_VALIDATION_FAILED,
      http: { status: 400 },
    },
  });

const toFormatted = ({ message, locations, extensions: { code } }: GraphQLError): GraphQLFormattedError => ({
  message,
  ...(locations && { locations: locations as readonly SourceLocation[] }),
  extensions: { code },
});
