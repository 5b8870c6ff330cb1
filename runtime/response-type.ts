import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';

/*
 * The media types of GraphQL responses, as GraphQL over HTTP defines them: https://graphql.github.io/graphql-over-http/
 */

/** The type for clients that read a body only if the status is 200. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** The type for clients that know any body of this type to be a GraphQL response, whatever the status. */
export const GRAPHQL_RESPONSE_TYPE = 'application/graphql-response+json; charset=utf-8';

export type ResponseType = typeof JSON_TYPE | typeof GRAPHQL_RESPONSE_TYPE;

// In the server's order of preference, for clients that have none: `*/*` is JSON, which all of them can read.
const TYPES = new Map<string, ResponseType>([
  ['application/json', JSON_TYPE],
  ['application/graphql-response+json', GRAPHQL_RESPONSE_TYPE],
]);

const NAMES = [...TYPES.keys()];

/** A request header as Node gives it. */
type Header = string | undefined;

// Clients send few different values. Reading one takes some microseconds, finding it again a tenth of one.
const MAX_KNOWN = 100;
const MAX_KNOWN_LENGTH = 200;
const known = new LRUCache<string, { readonly type: ResponseType | undefined }>({ max: MAX_KNOWN });

/** The type that a client prefers by its `Accept` header; undefined where it accepts none of them. */
export const responseTypeFor = (accept: Header): ResponseType | undefined => {
  if (!accept) return JSON_TYPE;
  const before = known.get(accept);
  if (before) return before.type;
  const type = TYPES.get(preferredOf(accept, NAMES) ?? '');
  if (accept.length <= MAX_KNOWN_LENGTH) known.set(accept, { type });
  return type;
};

/** Whether a client accepts HTML; most browsers do, beside anything else. */
export const acceptsHtml = (accept: Header): boolean => Boolean(accept && preferredOf(accept, ['text/html']));

// All types are UTF-8, so it makes no difference whether a client says that it takes that.
const preferredOf = (accept: string, types: string[]): string | undefined =>
  new Negotiator({ headers: { accept: accept.replace(UTF8_PARAMETER, '') } }).mediaType(types);

const UTF8_PARAMETER = /;[ \t]*charset="?utf-?8"?(?=[ \t]*(?:[,;]|$))/gi;

const JSON_REQUEST = 'application/json';

/** Whether a request body of JSON is in UTF-8, as far as its `Content-Type` says. ASCII is a part of UTF-8. */
export const isUtf8Type = (contentType: Header): boolean => {
  if (contentType === undefined || contentType.length === JSON_REQUEST.length) return true;
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType) ?? [];
  return /^(?:utf-?8|us-ascii)$/i.test(charset);
};
