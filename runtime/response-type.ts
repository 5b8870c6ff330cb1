import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';

/*
 * The media types of GraphQL responses, as defined by GraphQL over HTTP: https://graphql.github.io/graphql-over-http/
 */

/** For clients that parse a body only if the status is 200. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** For clients that treat any body of this type as a GraphQL response, regardless of the status. */
export const GRAPHQL_RESPONSE_TYPE = 'application/graphql-response+json; charset=utf-8';

export type ResponseType = typeof JSON_TYPE | typeof GRAPHQL_RESPONSE_TYPE;

// In the server's order of preference: `*/*` selects JSON, which every client can read.
const TYPES = new Map<string, ResponseType>([
  ['application/json', JSON_TYPE],
  ['application/graphql-response+json', GRAPHQL_RESPONSE_TYPE],
]);

const NAMES = [...TYPES.keys()];

/** A request header, as provided by Node. */
type Header = string | undefined;

// Clients send few different values. Parsing one takes some microseconds, a cache lookup a tenth of one.
const MAX_CACHED = 100;
const MAX_CACHED_LENGTH = 200;
const typeCache = new LRUCache<string, { readonly type: ResponseType | undefined }>({ max: MAX_CACHED });

/** Returns the response type preferred by a client's `Accept` header. Undefined if it accepts neither. */
export const responseTypeFor = (accept: Header): ResponseType | undefined => {
  if (!accept) return JSON_TYPE;
  const cached = typeCache.get(accept);
  if (cached) return cached.type;
  const type = TYPES.get(preferredOf(accept, NAMES) ?? '');
  if (accept.length <= MAX_CACHED_LENGTH) typeCache.set(accept, { type });
  return type;
};

/** Returns whether a client accepts HTML, as most browsers do. */
export const acceptsHtml = (accept: Header): boolean => Boolean(accept && preferredOf(accept, ['text/html']));

// All types are UTF-8, so a matching charset parameter is ignored.
const preferredOf = (accept: string, types: string[]): string | undefined =>
  new Negotiator({ headers: { accept: accept.replace(UTF8_PARAMETER, '') } }).mediaType(types);

const UTF8_PARAMETER = /;[ \t]*charset="?utf-?8"?(?=[ \t]*(?:[,;]|$))/gi;

const JSON_REQUEST = 'application/json';

/** Returns whether the `Content-Type` of a JSON body is compatible with UTF-8. ASCII is a subset of UTF-8. */
export const isUtf8Type = (contentType: Header): boolean => {
  if (contentType === undefined || contentType.length === JSON_REQUEST.length) return true;
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType) ?? [];
  return /^(?:utf-?8|us-ascii)$/i.test(charset);
};
