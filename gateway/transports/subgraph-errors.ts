import { GraphQLError } from 'graphql';
import { UpstreamError } from '../../connectors/errors.ts';
import { ROUTE_ERROR_CODES } from '../../runtime/http-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { PUBLIC_EXTENSIONS, toPublicError } from '../../subgraphs/kit/errors.ts';
import { isResponsePath } from '../../subgraphs/kit/protocol/path.ts';
import type { SubgraphErrorPolicy } from '../config.ts';
import { isData } from '../execution/data.ts';
import type { SubgraphError } from '../execution/subgraph-request.ts';

/*
 * Errors of remote subgraphs. A subgraph may be operated by a third party, so its errors are read entry by entry. An unusable
 * entry is dropped without affecting the data.
 */

export type ErrorReaderOptions = {
  readonly subgraph: string;
  readonly policy: SubgraphErrorPolicy;
  readonly log: Log;
};

/**
 * Reads the `errors` of a subgraph's response, of whatever form. `failureCode` is the code for errors that have none, if the
 * response failed because of its status. Returns at most MAX_ERRORS errors and, if there were more, one that says so.
 */
export type ErrorReader = (errors: unknown, failureCode?: string) => SubgraphError[];

/** Maximum number of errors per response. A response of 32 MiB could contain a million. */
const MAX_ERRORS = 1_000;
const MAX_MESSAGE_LENGTH = 1_000;
/** Maximum length of one error's extensions, as JSON. */
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
    const isRouteError = failureCode !== undefined && ROUTE_CODES.has(extensions['code']);
    const subgraphCode = isRouteError ? undefined : readCode(extensions['code'], policy);
    const message = typeof error['message'] === 'string' ? shorten(error['message']) : undefined;
    const code = subgraphCode ?? (message === undefined ? 'UPSTREAM_BAD_RESPONSE' : (failureCode ?? INTERNAL));
    // Messages of the bundled subgraphs are safe for clients if they have a code.
    const isShown = policy === 'full' || (isBundled && subgraphCode !== undefined);
    const path = error['path'];
    return {
      message: (isShown && message) || maskedMessage(subgraph, code),
      // No path is better than a wrong one.
      path: isResponsePath(path) ? path : undefined,
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
  const originalError = new UpstreamError('UPSTREAM_BAD_RESPONSE', subgraph, 'returned errors that are not objects');
  return toPublicError(new GraphQLError('', { originalError }), log);
};

const shorten = (message: string): string =>
  message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message;

/** Returns the message of an error whose original message is not passed on. */
export const maskedMessage = (subgraph: string, code: unknown): string => {
  if (code === 'UNAUTHENTICATED') return `The ${subgraph} service requires valid credentials.`;
  if (code === 'FORBIDDEN') return `The ${subgraph} service denied access.`;
  return `The ${subgraph} service reported an error.`;
};

/** Matches any error code in use. Excludes characters that logs or pages would have to escape. */
const CODE = /^[A-Za-z0-9][\w.:/-]{0,63}$/;

/**
 * Codes that the gateway or Apollo Server use for the client's own request. Clients act on some of them: on
 * PERSISTED_QUERY_NOT_FOUND they send the full document, after PERSISTED_QUERY_NOT_SUPPORTED they send no more hashes. If a
 * subgraph returns one, it refers to the gateway's request instead.
 */
const CLIENT_REQUEST_CODES: ReadonlySet<string> = new Set([
  'AUTHENTICATION_UNAVAILABLE',
  'AUDIT_UNAVAILABLE',
  'BAD_REQUEST',
  'BUDGET_EXCEEDED',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'LIMITS_UNAVAILABLE',
  'METHOD_NOT_ALLOWED',
  'OPERATION_RESOLUTION_FAILURE',
  'OPERATION_UNRESOLVABLE',
  'OVERLOADED',
  'PAYLOAD_TOO_LARGE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_NOT_IN_SAFELIST',
  'RATE_LIMITED',
]);

/**
 * Codes of a server without a subgraph at the URL. With a failure status they mean that the URL is wrong, which the gateway
 * reports by the status. In an executed response, `NOT_FOUND` refers to a record.
 */
const ROUTE_CODES: ReadonlySet<unknown> = new Set(ROUTE_ERROR_CODES);

const readCode = (code: unknown, policy: SubgraphErrorPolicy): string | undefined => {
  if (typeof code !== 'string' || !CODE.test(code)) return undefined;
  if (policy === 'bundled') return code;
  return CLIENT_REQUEST_CODES.has(code) ? 'UPSTREAM_REJECTED' : code;
};

type PickExtensions = (extensions: Readonly<Record<string, unknown>>) => Record<string, unknown>;

const BUNDLED_EXTENSIONS: ReadonlySet<string> = new Set(PUBLIC_EXTENSIONS);

const pickBundled: PickExtensions = (extensions) =>
  Object.fromEntries(Object.entries(extensions).filter(([name]) => BUNDLED_EXTENSIONS.has(name)));

// Names of stack traces in Apollo Server, GraphQL Yoga, Hot Chocolate, graphql-java, Lighthouse and Strawberry.
const INTERNAL_FIELDS = /stack|exception|^trace$|^debug/i;

/** Set by others: `http` by Apollo Server for its own response, `serviceName` and `tributary` by the gateway. */
const RESERVED: ReadonlySet<string> = new Set(['http', 'serviceName', 'tributary']);

const withoutInternals: PickExtensions = (extensions) => {
  const allowed = Object.entries(extensions).filter(([name]) => !RESERVED.has(name));
  const stripped = strip(Object.fromEntries(allowed), 1);
  return isData(stripped) && JSON.stringify(stripped).length <= MAX_EXTENSIONS_LENGTH ? stripped : {};
};

/** Removes stack traces at any depth, and everything below the maximum depth. */
const strip = (value: unknown, depth: number): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_EXTENSIONS_DEPTH) return undefined;
  if (Array.isArray(value)) return value.map((item) => strip(item, depth + 1));
  const remaining = Object.entries(value).filter(([name]) => !INTERNAL_FIELDS.test(name));
  return Object.fromEntries(remaining.map(([name, inner]) => [name, strip(inner, depth + 1)]));
};

const PICK: Readonly<Record<SubgraphErrorPolicy, PickExtensions>> = {
  bundled: pickBundled,
  masked: () => ({}),
  full: withoutInternals,
};

type RawError = Readonly<Record<string, unknown>>;

/** Logs the original errors of a response in one line. Clients may not see them. */
const logErrors = (log: Log, subgraph: string, sent: readonly RawError[], read: readonly SubgraphError[]): void => {
  const level = read.some(({ extensions }) => extensions?.['code'] === INTERNAL) ? 'warn' : 'info';
  const errors = read.slice(0, MAX_LOGGED).map(({ extensions, path }, index) => {
    const message = sent[index]?.['message'];
    return { code: extensions?.['code'], path, message: typeof message === 'string' ? shorten(message) : undefined };
  });
  log[level]({ subgraph, count: read.length, errors }, 'A subgraph reported errors.');
};
