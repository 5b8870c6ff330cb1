import { GraphQLError } from 'graphql';
import { UpstreamError } from '../../connectors/errors.ts';
import { ROUTE_ERROR_CODES } from '../../runtime/http-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { toPublicError } from '../../subgraphs/kit/errors.ts';
import type { SubgraphErrorPolicy } from '../config.ts';
import { isData } from '../execution/data.ts';
import type { SubgraphError } from '../execution/subgraph-request.ts';

/*
 * Errors of subgraphs over HTTP. A subgraph may be anybody's: what it sends is read entry by entry, and whatever cannot be
 * used costs that entry and not the data beside it.
 */

export type ErrorReaderOptions = {
  readonly subgraph: string;
  readonly policy: SubgraphErrorPolicy;
  readonly log: Log;
};

/**
 * Reads the `errors` of a subgraph's response, whatever they are. `failureCode` is that of a response which failed for its
 * status, for errors that have no code of their own. Returns at most MAX_ERRORS errors and, where there were more, one that says so.
 */
export type ErrorReader = (errors: unknown, failureCode?: string) => SubgraphError[];

/** More than any client reads; a response of 32 MiB could hold a million. */
const MAX_ERRORS = 1_000;
const MAX_MESSAGE_LENGTH = 1_000;
const MAX_PATH_LENGTH = 128;
/** Of one error's extensions, as JSON. */
const MAX_EXTENSIONS_LENGTH = 8_192;
const MAX_EXTENSIONS_DEPTH = 8;
const MAX_LOGGED = 10;

const INTERNAL = 'INTERNAL_SERVER_ERROR';

/** Creates the reader of one subgraph's errors. */
export const createErrorReader = ({ subgraph, policy, log }: ErrorReaderOptions): ErrorReader => {
  const isBundled = policy === 'bundled';
  const pickExtensions = PICK[policy];

  const readError = (error: Readonly<Record<string, unknown>>, failureCode: string | undefined): SubgraphError => {
    const extensions = isData(error['extensions']) ? error['extensions'] : {};
    const isOfAddress = failureCode !== undefined && OF_ADDRESS.has(extensions['code']);
    const own = isOfAddress ? undefined : readCode(extensions['code'], policy);
    const message = typeof error['message'] === 'string' ? shorten(error['message']) : undefined;
    const code = own ?? (message === undefined ? 'UPSTREAM_BAD_RESPONSE' : (failureCode ?? INTERNAL));
    // The bundled subgraphs' messages are made for clients where they have a code.
    const isShown = policy === 'full' || (isBundled && own !== undefined);
    return {
      message: (isShown && message) || maskedMessage(subgraph, code),
      path: readPath(error['path']),
      extensions: { ...pickExtensions(extensions), code },
    };
  };

  return (errors, failureCode) => {
    if (errors === undefined || errors === null) return [];
    const entries = Array.isArray(errors) ? errors : [errors];
    const readable = (Array.isArray(errors) ? errors : []).filter(isData);
    const shown = readable.slice(0, MAX_ERRORS);
    const read = shown.map((error) => readError(error, failureCode));
    if (!isBundled && read.length > 0) logErrors(log, subgraph, shown, read);
    if (readable.length < entries.length) read.push(unreadable(subgraph, log));
    if (readable.length > MAX_ERRORS) {
      const message = `The ${subgraph} service reported ${readable.length - MAX_ERRORS} more errors.`;
      read.push({ message, extensions: { code: 'UPSTREAM_BAD_RESPONSE' } });
    }
    return read;
  };
};

const unreadable = (subgraph: string, log: Log): SubgraphError => {
  const originalError = new UpstreamError(
    'UPSTREAM_BAD_RESPONSE',
    subgraph,
    'answered with errors that are no objects',
  );
  return toPublicError(new GraphQLError('', { originalError }), log);
};

const shorten = (message: string): string =>
  message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message;

/** What an error says where the subgraph's own words are not passed on. */
export const maskedMessage = (subgraph: string, code: unknown): string => {
  if (code === 'UNAUTHENTICATED') return `The ${subgraph} service requires valid credentials.`;
  if (code === 'FORBIDDEN') return `The ${subgraph} service does not permit this.`;
  return `The ${subgraph} service reported an error.`;
};

/** Long enough for any code in use, and without whatever a log or a page would have to escape. */
const CODE = /^[A-Za-z0-9][\w.:/-]{0,63}$/;

/**
 * Codes by which the gateway, or Apollo Server, speaks of the client's own request. Clients act on some of them: at
 * PERSISTED_QUERY_NOT_FOUND they send the whole document again, at PERSISTED_QUERY_NOT_SUPPORTED never a hash. From a
 * subgraph each is about the gateway's request.
 */
const OF_CLIENT_REQUEST: ReadonlySet<string> = new Set([
  'BAD_REQUEST',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'METHOD_NOT_ALLOWED',
  'OPERATION_RESOLUTION_FAILURE',
  'OPERATION_UNRESOLVABLE',
  'OVERLOADED',
  'PAYLOAD_TOO_LARGE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_NOT_IN_SAFELIST',
]);

/**
 * Codes of a server that has no subgraph at the URL. With the status of a failure they say that the URL is wrong, and the
 * status says it in the gateway's own words; in a response that was executed, `NOT_FOUND` is about a record.
 */
const OF_ADDRESS: ReadonlySet<unknown> = new Set(ROUTE_ERROR_CODES);

const readCode = (code: unknown, policy: SubgraphErrorPolicy): string | undefined => {
  if (typeof code !== 'string' || !CODE.test(code)) return undefined;
  if (policy === 'bundled') return code;
  return OF_CLIENT_REQUEST.has(code) ? 'UPSTREAM_REJECTED' : code;
};

const isName = (step: unknown): step is string => typeof step === 'string' && /^[_A-Za-z]\w{0,255}$/.test(step);

const isIndex = (step: unknown): step is number => Number.isSafeInteger(step) && Number(step) >= 0;

/** A path of names and list indices; undefined for anything else, because an error without a place is better than at a wrong one. */
const readPath = (path: unknown): (string | number)[] | undefined => {
  if (!Array.isArray(path) || path.length === 0 || path.length > MAX_PATH_LENGTH) return undefined;
  const steps = path.filter((step): step is string | number => isName(step) || isIndex(step));
  return steps.length === path.length ? steps : undefined;
};

type PickExtensions = (extensions: Readonly<Record<string, unknown>>) => Record<string, unknown>;

// What `subgraphs/kit/errors.ts` makes.
const KNOWN: ReadonlySet<string> = new Set(['argument', 'reason', 'retryAfterMs']);

const pickKnown: PickExtensions = (extensions) =>
  Object.fromEntries(Object.entries(extensions).filter(([name]) => KNOWN.has(name)));

// Stack traces under the names that Apollo Server, GraphQL Yoga, Hot Chocolate, graphql-java, Lighthouse and Strawberry give them.
const INTERNALS = /stack|exception|^trace$|^debug/i;

/** Apollo Server takes `http` for the status and the headers of its own response; `serviceName` is the gateway's to say. */
const RESERVED: ReadonlySet<string> = new Set(['http', 'serviceName', 'tributary']);

const withoutInternals: PickExtensions = (extensions) => {
  const open = Object.entries(extensions).filter(([name]) => !RESERVED.has(name));
  const kept = strip(Object.fromEntries(open), 1);
  return isData(kept) && JSON.stringify(kept).length <= MAX_EXTENSIONS_LENGTH ? kept : {};
};

/** The value without stack traces at any depth; without what is nested too deeply to be looked through. */
const strip = (value: unknown, depth: number): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_EXTENSIONS_DEPTH) return undefined;
  if (Array.isArray(value)) return value.map((item) => strip(item, depth + 1));
  const kept = Object.entries(value).filter(([name]) => !INTERNALS.test(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, strip(inner, depth + 1)]));
};

const PICK: Readonly<Record<SubgraphErrorPolicy, PickExtensions>> = {
  bundled: pickKnown,
  masked: () => ({}),
  full: withoutInternals,
};

type Logged = Readonly<Record<string, unknown>>;

/** One line for a response: its errors as the subgraph has worded them, which clients may not see. */
const logErrors = (log: Log, subgraph: string, sent: readonly Logged[], read: readonly SubgraphError[]): void => {
  const level = read.some(({ extensions }) => extensions?.['code'] === INTERNAL) ? 'warn' : 'info';
  const errors = read.slice(0, MAX_LOGGED).map(({ extensions, path }, index) => {
    const message = sent[index]?.['message'];
    return { code: extensions?.['code'], path, message: typeof message === 'string' ? shorten(message) : undefined };
  });
  log[level]({ subgraph, count: read.length, errors }, 'A subgraph reported errors.');
};
