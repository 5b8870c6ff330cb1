import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { monotonicNow } from './clock.ts';
import { type HostPolicy, hostNameOf } from './hosts.ts';
import {
  HEADERS_TOO_LARGE,
  type Refusal,
  RequestRefused,
  tooManyValues,
  UNSUPPORTED_MEDIA_TYPE,
} from './http-errors.ts';
import type { HttpLimits } from './http-limits.ts';
import { exceededJsonBound, MAX_JSON_DEPTH } from './json-bounds.ts';
import { isUtf8Type } from './response-type.ts';
import { sendRefusal } from './send-refusal.ts';
import type { TurnQueue } from './turn-queue.ts';

const MALFORMED_HOST: Refusal = {
  status: 400,
  message: 'The Host header is missing, repeated or malformed.',
  code: 'BAD_REQUEST',
};

// RFC 9110, section 7.4: the server is not authoritative for the requested host.
const UNKNOWN_HOST: Refusal = {
  status: 421,
  message: 'This host name is not served here. The operator can allow it with ALLOWED_HOSTS.',
  code: 'BAD_REQUEST',
};

const COMPRESSED: Refusal = {
  status: 415,
  message: 'Compressed request bodies are not supported. Send the body without Content-Encoding.',
  code: 'BAD_REQUEST',
};

// Real values have fewer than a hundred characters. Apollo Server parses the header with `whatwg-mimetype`, whose time is
// quadratic in the white space: 0.4 s for 15,000 characters.
const MAX_CONTENT_TYPE_CHARS = 200;

/** Length from which a body waits for its turn to be parsed. Parsing 20 MB at once blocked other requests for a second. */
const LONG_BODY_CHARS = 50_000;

/** Time per character within which parsing a long body is due, in milliseconds. Shorter work therefore goes first. */
const DUE_MS_PER_CHAR = 0.0005;

/** Share of the request buffer that waiting long bodies may use. The rest stays available to other requests. */
const LONG_BODIES_SHARE = 0.5;

const httpError = (statusCode: number): Error & { statusCode: number } => Object.assign(new Error(), { statusCode });

/**
 * Rejects invalid requests before any handler runs: requests for an unknown host, with too many header fields, with a compressed
 * or non-JSON body, or with JSON that is nested too deeply, has too many values or would change an object's prototype.
 */
export const guardRequests = (
  app: FastifyInstance,
  { limits, hosts, turns }: { readonly limits: HttpLimits; readonly hosts: HostPolicy; readonly turns: TurnQueue },
): void => {
  const checkHost = createHostCheck(hosts);
  app.addHook('onRequest', ({ raw, headers }, reply, done) => {
    const refusal =
      raw.rawHeaders.length / 2 > limits.maxHeaders
        ? HEADERS_TOO_LARGE
        : (checkHost(raw) ?? checkEncoding(headers['content-encoding']) ?? checkContentType(headers['content-type']));
    if (refusal) return void refuse(reply, refusal);
    done();
  });
  app.removeContentTypeParser('text/plain');
  const parseJson = app.getDefaultJsonParser('error', 'error');
  const bounds = { depth: MAX_JSON_DEPTH, values: limits.maxBodyValues };
  let waitingChars = 0;
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    // Another charset or invalid bytes would be misread silently.
    if (!isUtf8Type(request.headers['content-type']) || !isUtf8(bytes)) return done(httpError(415));
    const body = bytes.toString();
    const read = (): void => {
      const exceeded = exceededJsonBound(body, bounds);
      if (exceeded === 'values') done(new RequestRefused(tooManyValues(bounds.values)));
      else if (exceeded) done(httpError(400));
      else parseJson(request, body, done);
    };
    if (body.length <= LONG_BODY_CHARS) return read();
    // A body that waits alone is always accepted, however small the limit.
    const share = limits.maxRequestBufferBytes * LONG_BODIES_SHARE;
    if (waitingChars > 0 && waitingChars + body.length > share) return done(httpError(503));
    const turn = turns.take(monotonicNow() + body.length * DUE_MS_PER_CHAR);
    if (!turn) return read();
    waitingChars += body.length;
    turn
      .then(() => {
        waitingChars -= body.length;
        // The client has disconnected.
        if (request.raw.socket.destroyed) done(httpError(400));
        else read();
      })
      .catch(done);
  });
};

const refuse = (reply: FastifyReply, refusal: Refusal): void => {
  // Closes the connection, because the rest of the request is not read.
  sendRefusal(reply.header('connection', 'close'), refusal);
};

type Message = { readonly rawHeaders: readonly string[]; readonly httpVersionMinor: number };

/** Creates a check that returns a refusal for a request to an unknown host. */
export const createHostCheck = (hosts: HostPolicy) => {
  // Clients use few host names.
  let lastAllowed: string | undefined;
  return ({ rawHeaders, httpVersionMinor }: Message): Refusal | undefined => {
    let host: string | undefined;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index];
      if (name?.length !== 4 || name.toLowerCase() !== 'host') continue;
      if (host !== undefined) return MALFORMED_HOST;
      host = rawHeaders[index + 1] ?? '';
    }
    // HTTP/1.0 has no Host header, and browsers do not use it.
    if (host === undefined) return httpVersionMinor === 0 ? undefined : MALFORMED_HOST;
    if (host === lastAllowed) return undefined;
    const hostName = hostNameOf(host);
    if (hostName === undefined) return MALFORMED_HOST;
    if (!hosts.isAllowed(hostName)) return UNKNOWN_HOST;
    lastAllowed = host;
    return undefined;
  };
};

const checkContentType = (type = ''): Refusal | undefined =>
  type.length > MAX_CONTENT_TYPE_CHARS ? UNSUPPORTED_MEDIA_TYPE : undefined;

const checkEncoding = (encoding: string | undefined): Refusal | undefined =>
  encoding === undefined || encoding.toLowerCase() === 'identity' ? undefined : COMPRESSED;
