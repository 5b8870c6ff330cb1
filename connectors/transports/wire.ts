import type { Agent, Dispatcher } from 'undici';
import { toAbortError, UpstreamError, type UpstreamErrorDetails } from '../errors.ts';
import type { Handler, ProviderRequest, ProviderResponse, ResponseType } from '../middleware/chain.ts';
import { isOk } from '../middleware/response.ts';
import { withOutcome } from '../middleware/unknown-outcome.ts';
import { onAbort } from '../on-abort.ts';
import { ResponseStream } from './response-stream.ts';

// Error codes of undici and the operating system for failures before the first byte of the request is sent.
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  // A request that undici does not send, e.g. with a line break in a header.
  'UND_ERR_INVALID_ARG',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // The agent has been closed, which waits for the requests before.
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
]);

export type WireOptions = {
  readonly subgraph: string;
  readonly agent: Agent;
  readonly maxResponseBytes: number;
  readonly timeoutMs: number;
};

/**
 * The innermost handler of every chain: one HTTP exchange over a pool of keep-alive connections.
 *
 * UPSTREAM_TIMEOUT when `timeoutMs` or the caller's deadline has passed, UPSTREAM_CANCELLED when the caller cancels.
 * Reads at most `maxResponseBytes` of a response (beyond that, UPSTREAM_BAD_RESPONSE with its status) and requests no
 * compression, so that a small response cannot expand into a large one. A connection failure is UPSTREAM_UNAVAILABLE.
 * Follows no redirects.
 *
 * The body is of the request's `responseType` if the status is 200 to 299, and text otherwise. A stream resolves with
 * the headers, and later failures are errors of the stream; it is paused while its reader has enough buffered.
 */
export const createWire = (options: WireOptions): Handler => {
  const locate = createLocate();
  return (request) =>
    new Promise((resolve, reject) => {
      const { origin, path } = locate(request.url);
      const exchange = new Exchange(options, request, resolve, reject);
      if (request.signal?.aborted) exchange.leave();
      else {
        const { method, headers, body = null } = request;
        options.agent.dispatch({ origin, path, method, headers, body }, exchange);
      }
    });
};

/**
 * One request's exchange through undici. Uses `dispatch` instead of `request`, whose body stream costs as much as the
 * rest of the exchange together: most bodies are read whole.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: WireOptions;
  readonly #request: ProviderRequest<ResponseType>;
  readonly #resolve: (response: ProviderResponse<ResponseType>) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #stopListening: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #failure: UpstreamError | undefined;
  #status = 0;
  #headers: ProviderResponse['headers'] = {};
  #chunks: Buffer[] = [];
  #bytes = 0;
  #stream: ResponseStream | undefined;
  #isReceived = false;

  constructor(
    options: WireOptions,
    request: ProviderRequest<ResponseType>,
    resolve: (response: ProviderResponse<ResponseType>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#options = options;
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#timeOut(), options.timeoutMs);
    this.#stopListening = request.signal && onAbort(request.signal, () => this.leave());
  }

  /** Ends the exchange because the caller's signal has fired. */
  leave(): void {
    const { operation, signal } = this.#request;
    if (signal) this.#giveUp(toAbortError(signal, this.#options.subgraph, { operation }));
  }

  #timeOut(): void {
    const { operation } = this.#request;
    if (!this.#stream) this.#giveUp(this.#errorOf('UPSTREAM_TIMEOUT', `${operation} gave no answer in time`, {}));
    else if (this.#isReceived || this.#controller?.paused) {
      this.#giveUp(this.#errorOf('UPSTREAM_CANCELLED', `${operation}: the stream was not read`, {}));
    } else {
      const details = { status: this.#status };
      this.#giveUp(this.#errorOf('UPSTREAM_TIMEOUT', `${operation}: the stream went on too late`, details));
    }
  }

  #errorOf(code: UpstreamError['code'], message: string, details: UpstreamErrorDetails): UpstreamError {
    return new UpstreamError(code, this.#options.subgraph, message, { operation: this.#request.operation, ...details });
  }

  #giveUp(failure: UpstreamError): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#end();
    if (this.#stream) this.#stream.destroy(withOutcome(failure, this.#request));
    else this.#reject(failure);
    // Closes the connection: the rest of the response is not read.
    if (!this.#isReceived) this.#controller?.abort(failure);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#stopListening?.();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Failed while it waited for a connection.
    if (this.#failure) controller.abort(this.#failure);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: ProviderResponse['headers'],
  ): void {
    this.#status = status;
    this.#headers = headers;
    if (this.#request.responseType === 'stream' && isOk({ status })) this.#startStream();
  }

  #startStream(): void {
    this.#stream = new ResponseStream({
      onDemand: () => this.#controller?.resume(),
      onRead: () => this.#timer.refresh(),
      onClose: () => this.#closeStream(),
    });
    this.#timer.refresh();
    this.#resolve({ status: this.#status, headers: this.#headers, body: this.#stream });
  }

  /** Ends the exchange if the reader has closed the stream before its end. */
  #closeStream(): void {
    this.#end();
    if (this.#failure || this.#isReceived) return;
    this.#failure = this.#errorOf('UPSTREAM_CANCELLED', `${this.#request.operation}: the stream was closed`, {});
    this.#controller?.abort(this.#failure);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    const { maxResponseBytes } = this.#options;
    if (this.#bytes <= maxResponseBytes) {
      if (!this.#stream) this.#chunks.push(chunk);
      else {
        this.#timer.refresh();
        if (!this.#stream.add(chunk)) controller.pause();
      }
      return;
    }
    const details = { status: this.#status };
    this.#giveUp(this.#errorOf('UPSTREAM_BAD_RESPONSE', `answered with more than ${maxResponseBytes} bytes`, details));
  }

  onResponseEnd(): void {
    if (this.#stream) {
      // The timer runs until the stream is read to its end.
      this.#isReceived = true;
      this.#stream.push(null);
      return;
    }
    this.#end();
    const [status, headers] = [this.#status, this.#headers];
    if (this.#request.responseType === 'bytes' && isOk({ status })) {
      this.#resolve({ status, headers, body: joinBytes(this.#chunks, this.#bytes) });
      return;
    }
    const [first] = this.#chunks;
    const whole = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
    this.#resolve({ status, headers, body: whole.toString('utf8') });
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#failure) return;
    const mayHaveArrived = !BEFORE_SENDING.has(String((cause as { code?: unknown }).code));
    const message = `${this.#request.operation}: the connection failed`;
    this.#giveUp(this.#errorOf('UPSTREAM_UNAVAILABLE', message, { mayHaveArrived, cause }));
  }
}

/** Joins chunks in newly allocated memory: theirs is shared with other responses. */
const joinBytes = (chunks: readonly Buffer[], length: number): Uint8Array => {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
};

/**
 * Splits URLs into the pool's origin and the request's path. Caches the last URL: consecutive requests often share it.
 */
const createLocate = () => {
  let last: { readonly url: string; readonly origin: string; readonly path: string } | undefined;
  return (url: string) => {
    if (last?.url === url) return last;
    const { origin, pathname, search } = new URL(url);
    last = { url, origin, path: pathname + search };
    return last;
  };
};
