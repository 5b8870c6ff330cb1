/** An error response to a rejected request: its HTTP status, and the message and code of its error. */
export type Refusal = {
  readonly status: number;
  readonly message: string;
  readonly code: string;
  /** The code under which the refusal is counted and logged. Default: `code`. */
  readonly countedAs?: string;
  /** Further extensions of the error. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
};

/** Builds an error body: `{"errors": [{"message", "extensions": {"code"}}]}`. */
export const toErrorBody = ({ message, code, details }: Omit<Refusal, 'status'>) => ({
  errors: [{ message, extensions: { code, ...details } }],
});

/** Codes of requests that match no route. */
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
  // No sign of load: rolling deployments would raise the alarm.
  countedAs: 'SHUTTING_DOWN',
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

/** Builds the refusal of a JSON body with too many values. */
export const tooManyValues = (limit: number): Refusal => ({
  status: 413,
  message: `The request body has more than ${limit.toLocaleString('en')} values (MAX_BODY_VALUES). Send less in its variables.`,
  code: 'PAYLOAD_TOO_LARGE',
});

/** Thrown by a hook or a body parser to respond with a specific refusal. */
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

/** Returns the refusal for an error code of Node's HTTP parser. 400 unless a more specific one applies. */
export const refusalForParserError = (code: string | undefined): Refusal => PARSER_REFUSALS[code ?? ''] ?? MALFORMED;

const REASON_PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
};

/** Builds a raw HTTP/1.1 response, for connections without a parsed request. */
export const toRawResponse = (refusal: Refusal): string => {
  const body = JSON.stringify(toErrorBody(refusal));
  return [
    `HTTP/1.1 ${refusal.status} ${REASON_PHRASES[refusal.status] ?? ''}`,
    'content-type: application/json; charset=utf-8',
    'x-content-type-options: nosniff',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(refusal.status === 503 ? ['retry-after: 1'] : []),
    'connection: close',
    '',
    body,
  ].join('\r\n');
};
