/** An answer that refuses a request: the status, and the message and code of the error form that all answers share. */
export type Refusal = { readonly status: number; readonly message: string; readonly code: string };

/** The one form of errors: `{"errors": [{"message", "extensions": {"code"}}]}`. */
export const toErrorBody = ({ message, code }: Pick<Refusal, 'message' | 'code'>) => ({
  errors: [{ message, extensions: { code } }],
});

/** The codes of requests that no route takes. */
export const ROUTE_ERROR_CODES = ['NOT_FOUND', 'METHOD_NOT_ALLOWED'] as const;

export const OVERLOADED: Refusal = {
  status: 503,
  message: 'The server is overloaded. Retry the request after the time in Retry-After.',
  code: 'OVERLOADED',
};

export const SHUTTING_DOWN: Refusal = {
  status: 503,
  message: 'The server is shutting down. Retry the request.',
  code: 'OVERLOADED',
};

export const NOT_ACCEPTABLE: Refusal = {
  status: 406,
  message:
    'The Accept header allows neither application/json nor application/graphql-response+json. Allow one of them.',
  code: 'BAD_REQUEST',
};

export const UNSUPPORTED_MEDIA_TYPE: Refusal = {
  status: 415,
  message: 'Unsupported Content-Type. Send JSON in UTF-8, as application/json.',
  code: 'BAD_REQUEST',
};

export const HEADERS_TOO_LARGE: Refusal = {
  status: 431,
  message: 'The request header is too large or has too many fields. Send less in cookies, headers and the URL.',
  code: 'BAD_REQUEST',
};

export const REQUEST_TIMED_OUT: Refusal = {
  status: 408,
  message: 'The request did not arrive in time. Retry it on a new connection.',
  code: 'BAD_REQUEST',
};

export const EXPECTATION_FAILED: Refusal = {
  status: 417,
  message: 'Only the expectation 100-continue is supported. Send the request without Expect.',
  code: 'BAD_REQUEST',
};

/** The refusal of a JSON body with more values than one may have. */
export const tooManyValues = (limit: number): Refusal => ({
  status: 413,
  message: `The request body has more than ${limit.toLocaleString('en')} values (MAX_BODY_VALUES). Send less in its variables.`,
  code: 'PAYLOAD_TOO_LARGE',
});

/** What a hook or a body parser throws to have the request answered with a refusal of its own. */
export class RequestRefused extends Error {
  readonly refusal: Refusal;
  readonly statusCode: number;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
    this.statusCode = refusal.status;
  }
}

const MALFORMED: Refusal = { status: 400, message: 'Malformed HTTP request.', code: 'BAD_REQUEST' };

const PARSER_REFUSALS: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: REQUEST_TIMED_OUT,
  HPE_HEADER_OVERFLOW: HEADERS_TOO_LARGE,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, message: 'The request is too large.', code: 'PAYLOAD_TOO_LARGE' },
};

/** The refusal for an error of Node's HTTP parser, by its code; 400 for those that name no case of their own. */
export const refusalOfParserError = (code: string | undefined): Refusal => PARSER_REFUSALS[code ?? ''] ?? MALFORMED;

const REASON_PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
};

/** A whole HTTP/1.1 response, for connections on which no request has come far enough to be answered otherwise. */
export const toRawResponse = (refusal: Refusal): string => {
  const body = JSON.stringify(toErrorBody(refusal));
  return [
    `HTTP/1.1 ${refusal.status} ${REASON_PHRASES[refusal.status] ?? ''}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(refusal.status === 503 ? ['retry-after: 1'] : []),
    'connection: close',
    '',
    body,
  ].join('\r\n');
};
