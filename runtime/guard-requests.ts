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
import { exceededJsonBound } from './json-bounds.ts';
import { isUtf8Type } from './response-type.ts';
import { sendRefusal } from './send-refusal.ts';
import type { TurnQueue } from './turn-queue.ts';

const MALFORMED_HOST: Refusal = {
  status: 400,
  message: 'The Host header is missing, repeated or malformed.',
  code: 'BAD_REQUEST',
};

// RFC 9110, section 7.4: a request for a name that the server does not answer for was misdirected.
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

// Real ones have under a hundred. `whatwg-mimetype`, by which Apollo Server reads it, takes time in the square of the
// white space in it: 0.4 s for 15,000 characters.
const MAX_CONTENT_TYPE_CHARS = 200;

/** What a JSON body may nest. JSON.parse takes any depth, and whatever walks the value later overflows the stack. */
const MAX_JSON_DEPTH = 200;

/** Length from which on a body is parsed in turns. Twenty megabytes at once kept others waiting for a second. */
const LONG_BODY_CHARS = 50_000;

/** Time for each character of a long body within which it is due to be parsed, in milliseconds, so that short work goes first. */
const DUE_MS_PER_CHAR = 0.0005;

/** Long bodies may take this share of the bytes that all bodies may, so that there is room for others while they wait. */
const LONG_BODIES_SHARE = 0.5;

const refuseWith = (statusCode: number): Error & { statusCode: number } => Object.assign(new Error(), { statusCode });

/**
 * Refuses requests that no handler should see: for a host that is not ours, with too many header fields, with a
 * compressed or another body than JSON, or with JSON that is nested too deeply, has too many values or would change an
 * object's prototype.
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
    // Decoded in another encoding, or where bytes are broken, it would be misread without a word.
    if (!isUtf8Type(request.headers['content-type']) || !isUtf8(bytes)) return done(refuseWith(415));
    const body = bytes.toString();
    const read = (): void => {
      const exceeded = exceededJsonBound(body, bounds);
      if (exceeded === 'values') done(new RequestRefused(tooManyValues(bounds.values)));
      else if (exceeded) done(refuseWith(400));
      else parseJson(request, body, done);
    };
    if (body.length <= LONG_BODY_CHARS) return read();
    // However little bodies may hold, one that waits alone is read.
    const share = limits.maxRequestBufferBytes * LONG_BODIES_SHARE;
    if (waitingChars > 0 && waitingChars + body.length > share) return done(refuseWith(503));
    const turn = turns.take(monotonicNow() + body.length * DUE_MS_PER_CHAR);
    if (!turn) return read();
    waitingChars += body.length;
    turn
      .then(() => {
        waitingChars -= body.length;
        // A client that has left reads no answer.
        if (request.raw.socket.destroyed) done(refuseWith(400));
        else read();
      })
      .catch(done);
  });
};

const refuse = (reply: FastifyReply, refusal: Refusal): void => {
  // The rest of such a request is not read.
  sendRefusal(reply.header('connection', 'close'), refusal);
};

type Message = { readonly rawHeaders: readonly string[]; readonly httpVersionMinor: number };

const createHostCheck = (hosts: HostPolicy) => {
  // Clients use few names.
  let lastAllowed: string | undefined;
  return ({ rawHeaders, httpVersionMinor }: Message): Refusal | undefined => {
    let host: string | undefined;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index];
      if (name?.length !== 4 || name.toLowerCase() !== 'host') continue;
      if (host !== undefined) return MALFORMED_HOST;
      host = rawHeaders[index + 1] ?? '';
    }
    // HTTP/1.0 knows no Host, and no browser speaks it.
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
