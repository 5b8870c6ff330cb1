/*
 * Responses of several parts, each with a JSON value, as Apollo's clients read them. Their content type names the boundary `graphql`.
 */

/** Begins a response. It ends the preamble, so that a client can read the first part as soon as it is there. */
export const MULTIPART_BEGIN = '--graphql';

/** Writes a part with the boundary after it, which tells the client that the part is complete. */
export const toPart = (json: string): string =>
  `\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${json}\r\n${MULTIPART_BEGIN}`;

/** Ends a response. */
export const MULTIPART_END = '--\r\n';
