import { type Client, createClientAsync, type IHttpClient } from 'soap';
import type { z } from 'zod';
import { untilAborted } from '../abort.ts';
import type { Transport } from '../define-provider.ts';
import { isUpstreamError, UpstreamError } from '../errors.ts';
import type { ProviderRequest, ProviderResponse, RequestOptions } from '../middleware/chain.ts';
import type { HttpConnector } from './http.ts';
import { parseResponse } from './parse.ts';
import { createSoapOrigins, type SoapOrigins } from './soap-origins.ts';
import { findXmlViolation, protectTexts, readFaultCode } from './soap-xml.ts';

export type SoapConnectorOptions<Operation extends string> = {
  /** Sends the messages. Its `isSuccess` must come from `isSoapResponse`. */
  readonly http: HttpConnector;
  readonly wsdlUrl: string;
  /**
   * The endpoint's URL. Default: the address in the WSDL. Required if that has another origin than the WSDL: nothing is
   * sent to any other origin than those of the two URLs.
   */
  readonly endpointUrl?: string | undefined;
  /** Operations that the WSDL must describe. */
  readonly operations: readonly Operation[];
};

/**
 * Returns whether a response is a regular SOAP response: a success, or a fault that the message caused. Faults have status 500,
 * and so does a broken web server's error page. A `Server` fault may not recur for the same message (SOAP 1.1, 4.4.1), so it
 * counts as a failure like any 500. `serverFaults` are the codes with which this provider reports the same.
 */
export const isSoapResponse =
  (serverFaults: readonly string[]) =>
  ({ status, body }: ProviderResponse): boolean => {
    if (status >= 200 && status < 300) return true;
    if (status !== 500 || !body.includes('Envelope')) return false;
    const code = readFaultCode(body);
    return code !== undefined && code !== 'Server' && !serverFaults.includes(code);
  };

export type SoapCall<Operation extends string, Schema extends z.ZodType> = RequestOptions &
  Pick<ProviderRequest, 'skipRateLimit'> & {
    readonly operation: Operation;
    readonly input: Readonly<Record<string, unknown>>;
    /** Schema of the response body. */
    readonly response: Schema;
    readonly write: boolean;
  };

/** Calls a provider's SOAP operations. `Operation` is the union of their names. */
export type SoapConnector<Operation extends string> = {
  /**
   * Calls an operation. A fault throws UPSTREAM_REJECTED with the fault's code as `details.fault`. A response that is not
   * SOAP, or exceeds the limits of `soap-xml.ts`, throws UPSTREAM_BAD_RESPONSE, and after a write UPSTREAM_OUTCOME_UNKNOWN:
   * the provider may have carried it out. White space around texts is preserved.
   */
  readonly call: <Schema extends z.ZodType>(call: SoapCall<Operation, Schema>) => Promise<z.output<Schema>>;
  /** Whether the provider's WSDL describes this operation. */
  readonly offers: (operation: Operation, options?: RequestOptions) => Promise<boolean>;
};

// Passed through `soap` to its HTTP client, beside the message.
type Exchange = RequestOptions &
  Pick<ProviderRequest, 'operation' | 'write' | 'skipRateLimit'> & { readonly progress: { wasSent: boolean } };

const WSDL = { operation: 'WSDL', write: false, skipRateLimit: true } as const;

/** Maximum number of documents of one WSDL, including imports, and of their characters. A whole shop's has 0.3 million in one. */
const MAX_WSDL_DOCUMENTS = 32;
const MAX_WSDL_CHARACTERS = 8 * 1024 * 1024;

/**
 * Creates a SOAP connector from a provider's WSDL, over an HTTP connector.
 *
 * The WSDL is read once, on the first call, and shared by all callers; if that fails, the next call tries again.
 * The npm package `soap` writes and parses the message bodies; the HTTP connector does everything on the wire.
 * Imported documents and the address in the WSDL must have the origin of `wsdlUrl` or `endpointUrl`.
 */
export const createSoapConnector = <Operation extends string>({
  http,
  wsdlUrl,
  endpointUrl,
  operations,
}: SoapConnectorOptions<Operation>): SoapConnector<Operation> => {
  const { subgraph } = http;
  const origins = createSoapOrigins(subgraph, [wsdlUrl, endpointUrl]);
  let client: Promise<Client> | undefined;

  const getClient = (): Promise<Client> => {
    if (client) return client;
    const creating = createClientAsync(wsdlUrl, {
      httpClient: createHttpClient(http, origins),
      // The package would otherwise cache WSDLs by URL for the whole process, including other callers' failures.
      disableCache: true,
      preserveWhitespace: true,
      // The package would otherwise fetch any URL that an import names, and read files.
      wsdl_options: {
        overrideImportLocation: (url: string) => {
          origins.check(url, WSDL.operation);
          return url;
        },
      },
      ...(endpointUrl && { endpoint: endpointUrl }),
    })
      .then(requireOperations)
      .catch((cause: unknown) => {
        client = undefined;
        throw asUpstreamError(cause, subgraph, WSDL.operation);
      });
    client = creating;
    return creating;
  };

  /** Rejects a WSDL that lacks operations, so that it is not kept and the next call reads it again. */
  const requireOperations = (created: Client): Client => {
    const isUsable = operations.every((operation) => typeof created[`${operation}Async`] === 'function');
    if (isUsable) return created;
    throw new UpstreamError('UPSTREAM_BAD_RESPONSE', subgraph, 'the WSDL lacks operations', {
      operation: WSDL.operation,
    });
  };

  return {
    offers: async (operation, { signal } = {}) => {
      const soap = await untilAborted(getClient(), { subgraph, operation: WSDL.operation, signal });
      return typeof soap[`${operation}Async`] === 'function';
    },
    call: async ({ operation, input, response, write, ...options }) => {
      const soap = await untilAborted(getClient(), { subgraph, operation: WSDL.operation, signal: options.signal });
      const exchange: Exchange = { ...options, operation, write, progress: { wasSent: false } };
      try {
        const [result] = await soap[`${operation}Async`](protectTexts(input), exchange);
        // `findXmlViolation` has already limited the number of elements.
        return parseResponse(response, result, { subgraph, operation, maxItems: Number.POSITIVE_INFINITY });
      } catch (cause) {
        const error = asUpstreamError(cause, subgraph, operation);
        throw write && exchange.progress.wasSent ? asWriteError(error) : error;
      }
    },
  };
};

const createHttpClient = ({ subgraph, send }: HttpConnector, origins: SoapOrigins): IHttpClient => {
  const wsdl = { documents: 0, characters: 0 };

  const readWsdl = async (url: string, headers: Readonly<Record<string, string>>): Promise<ProviderResponse> => {
    wsdl.documents += 1;
    if (wsdl.documents > MAX_WSDL_DOCUMENTS) throw tooLarge(`more than ${MAX_WSDL_DOCUMENTS} documents`);
    origins.check(url, WSDL.operation);
    const response = await send({ ...WSDL, url, method: 'GET', headers });
    wsdl.characters += response.body.length;
    if (wsdl.characters > MAX_WSDL_CHARACTERS) throw tooLarge(`more than ${MAX_WSDL_CHARACTERS} characters`);
    return checked(response, WSDL.operation, 'wsdl');
  };

  const exchangeMessage = async (
    url: string,
    message: string,
    { progress, ...call }: Exchange,
    headers: Readonly<Record<string, string>>,
  ): Promise<ProviderResponse> => {
    origins.check(url, call.operation);
    progress.wasSent = true;
    const response = await send({ ...call, url, method: 'POST', headers, body: message });
    return checked(response, call.operation, 'message');
  };

  const checked = (response: ProviderResponse, operation: string, kind: 'message' | 'wsdl'): ProviderResponse => {
    const violation = findXmlViolation(response.body, kind);
    if (violation === undefined) return response;
    throw new UpstreamError('UPSTREAM_BAD_RESPONSE', subgraph, `${operation} responded with ${violation}`, {
      operation,
      status: response.status,
    });
  };

  const tooLarge = (what: string): UpstreamError =>
    new UpstreamError('UPSTREAM_BAD_RESPONSE', subgraph, `the WSDL has ${what}`, { operation: WSDL.operation });

  const request: IHttpClient['request'] = (url, message, callback, headers, options) => {
    const requestHeaders = (headers ?? {}) as Record<string, string>;
    const response = message
      ? exchangeMessage(url, message, options as unknown as Exchange, requestHeaders)
      : readWsdl(url, requestHeaders);
    response
      .then((response) =>
        callback(null, { status: response.status, headers: response.headers, data: response.body }, response.body),
      )
      // Also catches errors thrown by the callback: `soap` throws on a message without a body (a bare `<Envelope/>`).
      .catch(callback);
    // `soap` uses the callback. The declared return type is its HTTP library's promise, which nothing reads.
    return undefined as never;
  };
  return { request };
};

/**
 * Converts the error of a write whose response cannot be used to UPSTREAM_OUTCOME_UNKNOWN. Except for a redirect: a server
 * that sends one has not carried out the request.
 */
const asWriteError = (error: UpstreamError): UpstreamError => {
  const { code, subgraph, details } = error;
  const { operation, status = 200 } = details;
  if (code !== 'UPSTREAM_BAD_RESPONSE' || (status >= 300 && status < 400)) return error;
  return new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', subgraph, `${operation} may have been carried out`, {
    operation,
    status: details.status,
    cause: error,
  });
};

const asUpstreamError = (cause: unknown, subgraph: string, operation: string): UpstreamError => {
  if (isUpstreamError(cause)) return cause;
  const fault = (cause as { root?: { Envelope?: { Body?: { Fault?: { faultcode?: unknown } } } } } | undefined)?.root
    ?.Envelope?.Body?.Fault;
  if (fault) {
    // Codes are plain (`5`) or qualified (`SOAP-ENV:Server`).
    const code = String(fault.faultcode).split(':').pop()?.trim();
    return new UpstreamError('UPSTREAM_REJECTED', subgraph, `${operation} responded with fault ${code}`, {
      operation,
      fault: code,
      cause,
    });
  }
  return new UpstreamError(
    'UPSTREAM_BAD_RESPONSE',
    subgraph,
    `${operation} responded with something other than a SOAP message`,
    {
      operation,
      cause,
    },
  );
};

/** SOAP transport with the WSDL at `WSDL_URL`. Requests go to `ENDPOINT_URL`, or else to the address in the WSDL. */
export const soap = <Operation extends string>({
  serverFaults,
  operations,
}: {
  /** The fault codes with which the provider reports a failure of its own. */
  readonly serverFaults: readonly string[];
  /** Operations that the WSDL must describe. */
  readonly operations: readonly Operation[];
}): Transport<SoapConnector<Operation>, { readonly WSDL_URL: string; readonly ENDPOINT_URL?: string | undefined }> => ({
  isSuccess: isSoapResponse(serverFaults),
  connect: (http, { WSDL_URL: wsdlUrl, ENDPOINT_URL: endpointUrl }) =>
    createSoapConnector<Operation>({ http, wsdlUrl, endpointUrl, operations }),
  // Reading a WSDL takes from a tenth of a second to two.
  warmUp: (client) => client.offers(operations[0] as Operation),
});
