/*
 * Server-sent events as graphql-sse defines them for GraphQL (distinct connections).
 * Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */

export const EVENT_STREAM_TYPE = 'text/event-stream; charset=utf-8';

/** The headers of every stream, besides its type. */
export const STREAM_HEADERS = {
  'cache-control': 'no-cache, no-transform',
  // Proxies such as nginx would hold events back.
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
} as const;

/** A comment, which clients ignore. It keeps proxies from closing a quiet stream. */
export const HEARTBEAT = ':\n\n';

/** Writes an event. `data` must have no line breaks, as JSON has none. */
export const toStreamEvent = (name: 'next' | 'complete', data = '', id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${data}\n\n`;
