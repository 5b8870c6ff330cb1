import { type Client, createClientAsync, type IHttpClient } from 'soap';
import type { z } from 'zod';
import { untilAborted } from './abort.ts';
import type { Answer, Call, CallOptions } from './chain.ts';
import { isUpstreamError, UpstreamError } from './errors.ts';
import type { HttpConnector } from './http.ts';
import { parseAnswer } from './parse.ts';

export type SoapConnectorOptions = {
  /** Carries the messages. Its `isAnswer` has to be made by `isSoapAnswer`. */
  readonly http: HttpConnector;
  readonly wsdlUrl: string;
  /** Where calls go, if not to the address in the WSDL. */
  readonly endpointUrl?: string | undefined;
};

/**
 * Tells what a SOAP provider answers on purpose. A fault comes with status 500, and so does a broken web server's page; and
 * a fault of the `Server` is one that the same message may not meet later (SOAP 1.1, 4.4.1), so it is a failure like any
 * 500. `serverFaults` are the codes by which this provider says the same.
 */
export const isSoapAnswer =
  (serverFaults: readonly string[] = []) =>
  ({ status, body }: Answer): boolean => {
    if (status >= 200 && status < 300) return true;
    if (status !== 500 || !body.includes('Envelope')) return false;
    const code = /<(?:[\w-]+:)?faultcode[^>]*>\s*(?:[\w-]+:)?([^<\s]+)/.exec(body)?.[1];
    return code !== undefined && code !== 'Server' && !serverFaults.includes(code);
  };

export type SoapCall<Schema extends z.ZodType> = CallOptions &
  Pick<Call, 'isPrerequisite'> & {
    readonly operation: string;
    readonly input: Readonly<Record<string, unknown>>;
    /** What the answer's body has to look like. */
    readonly answer: Schema;
    readonly write: boolean;
  };

export type SoapConnector = {
  /**
   * Calls an operation. A fault throws UPSTREAM_REJECTED with the fault's code as `details.fault`; what is no SOAP
   * answer throws UPSTREAM_BAD_RESPONSE.
   */
  readonly call: <Schema extends z.ZodType>(call: SoapCall<Schema>) => Promise<z.output<Schema>>;
  /** Whether the provider's WSDL describes this operation. */
  readonly offers: (operation: string, options?: CallOptions) => Promise<boolean>;
};

// What `soap` hands through to its HTTP client untouched, beside the message itself.
type Exchange = CallOptions & Pick<Call, 'operation' | 'write' | 'isPrerequisite'>;

const WSDL: Exchange = { operation: 'WSDL', write: false, isPrerequisite: true };

/**
 * Speaks SOAP by a provider's WSDL over an HTTP connector.
 *
 * The WSDL is read once, at the first call, and shared by all callers; where that fails the next call tries again.
 * The message bodies are made and read by the npm package `soap`; everything on the wire is the HTTP connector's.
 */
export const createSoapConnector = ({ http, wsdlUrl, endpointUrl }: SoapConnectorOptions): SoapConnector => {
  const { upstream } = http;
  const httpClient = createHttpClient(http);
  let client: Promise<Client> | undefined;

  const getClient = (): Promise<Client> => {
    if (client) return client;
    const creating = createClientAsync(wsdlUrl, {
      httpClient,
      // The package would otherwise cache WSDLs for the whole process by URL, failures of others included.
      disableCache: true,
      ...(endpointUrl && { endpoint: endpointUrl }),
    }).catch((cause: unknown) => {
      client = undefined;
      throw asUpstreamError(cause, upstream, 'WSDL');
    });
    client = creating;
    return creating;
  };

  return {
    offers: async (operation, { signal } = {}) => {
      const soap = await untilAborted(getClient(), { upstream, operation: 'WSDL', signal });
      return typeof soap[`${operation}Async`] === 'function';
    },
    call: async ({ operation, input, answer, write, ...options }) => {
      const soap = await untilAborted(getClient(), { upstream, operation: 'WSDL', signal: options.signal });
      const exchange: Exchange = { ...options, operation, write };
      try {
        const [result] = await soap[`${operation}Async`](input, exchange);
        return parseAnswer(answer, result, { upstream, operation });
      } catch (cause) {
        throw asUpstreamError(cause, upstream, operation);
      }
    },
  };
};

const createHttpClient = ({ send }: HttpConnector): IHttpClient => {
  const request: IHttpClient['request'] = (url, message, callback, headers, options) => {
    const exchange = (options ?? WSDL) as Exchange;
    send({
      ...exchange,
      url,
      method: message ? 'POST' : 'GET',
      headers: (headers ?? {}) as Record<string, string>,
      body: message || undefined,
    })
      .then((answer) =>
        callback(null, { status: answer.status, headers: answer.headers, data: answer.body }, answer.body),
      )
      // Also for what the callback itself throws: `soap` trips over a message without a body (a bare `<Envelope/>`).
      .catch(callback);
    // The callback is what `soap` goes by; the return type asks for its own HTTP library's promise, which nothing reads.
    return undefined as never;
  };
  return { request };
};

const asUpstreamError = (cause: unknown, upstream: string, operation: string): UpstreamError => {
  if (isUpstreamError(cause)) return cause;
  const fault = (cause as { root?: { Envelope?: { Body?: { Fault?: { faultcode?: unknown } } } } } | undefined)?.root
    ?.Envelope?.Body?.Fault;
  if (fault) {
    // Codes come as `5`, or qualified as in `SOAP-ENV:Server`.
    const code = String(fault.faultcode).split(':').pop();
    return new UpstreamError('UPSTREAM_REJECTED', upstream, `${operation} answered with fault ${code}`, {
      operation,
      fault: code,
      cause,
    });
  }
  return new UpstreamError('UPSTREAM_BAD_RESPONSE', upstream, `${operation} answered with no SOAP message`, {
    operation,
    cause,
  });
};
