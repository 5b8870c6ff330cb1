import type { Readable } from 'node:stream';
import type { Client } from '../../runtime/client-usage.ts';
import type { CallStats } from '../../telemetry/call-stats.ts';
import type { BatchEvent } from '../../telemetry/events.ts';

/**
 * Deadline, class, client and flow of a request that waits in the scheduler's queue. Shared by everything that waits for the
 * request, and read again each time a slot becomes free, because a more urgent waiter may join. The requests of one batch
 * share the object, by which the scheduler recognizes them.
 */
export type Priority = {
  /** When the response is no longer useful, by `monotonicNow`. */
  deadlineAt: number;
  /** No client waits for it: it goes after every request that a client waits for. */
  isBackground: boolean;
  /** The client that it counts for. Clients share a provider fairly, whatever the number of their requests. */
  client?: Client | undefined;
  /** Owner of the request, usually one client request: the many requests of one flow do not delay another flow. */
  readonly flow: object;
};

/** Remaining freshness lifetime of a response, in milliseconds: that of the part that expires first. */
export type Freshness = { leftMs: number };

/** Options that a client request can set on any provider request. */
export type RequestOptions = {
  /** Cancels the request. A signal whose reason is a `TimeoutError` counts as a deadline that has passed. */
  readonly signal?: AbortSignal | undefined;
  /** Default: no deadline, and a client waits for it. */
  readonly priority?: Priority | undefined;
  /** Excludes data requested from the provider before this time, by `monotonicNow`. */
  readonly notBefore?: number | undefined;
  /** Call statistics that record the request: one for each client request that it serves. */
  readonly requestStats?: ReadonlySet<CallStats> | undefined;
  /** The batch that the request is sent for. Its events name it. */
  readonly batch?: BatchEvent | undefined;
  /**
   * Lowered to the remaining freshness of the data read; a response that is not cached leaves none. Default: not
   * tracked.
   */
  readonly freshness?: Freshness | undefined;
  /** Called with the tags of what is read, from the cache or the provider: an invalidation of one of them changes it. */
  readonly onRead?: ((tags: readonly string[]) => void) | undefined;
  /** Settings by provider name, for a client request with its own credentials. Default: the configured settings. */
  readonly credentials?: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
  /** Whether the request repeats one that has failed. See `CallAllowance`. */
  readonly isRepeat?: boolean | undefined;
  /** Expected cost of the request under rate limits by cost. Default: 1. A cost above a limit takes all of it. */
  readonly cost?: number | undefined;
};

/** A response body that is still arriving. `bytesRead` counts the bytes that have arrived. */
export type ResponseStream = Readable & { readonly bytesRead: number };

/** The body of a response by the `responseType` of its request. */
export type ResponseBodies = { readonly text: string; readonly bytes: Uint8Array; readonly stream: ResponseStream };

export type ResponseType = keyof ResponseBodies;

/** One request to a provider, as middleware sees it. */
export type ProviderRequest<Type extends ResponseType = 'text'> = RequestOptions & {
  /** Names the endpoint without ids or values: `POST /crm/objects/2026-09/contacts/batch/read`, `catalogInventoryStockItemList`. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** True if the request changes something at the provider, so that sending it twice matters. */
  readonly write: boolean;
  /** The key by which the provider recognizes a repeated write. Without it a write is never retried. */
  readonly idempotencyKey?: string | undefined;
  /** Bypasses the scheduler: other requests cannot be sent before this one has its response (a login). */
  readonly skipRateLimit?: boolean | undefined;
  /**
   * The kind of body to respond with. Default: `text`. A status other than 2xx is a failure for `bytes` and `stream`,
   * and its body is text.
   *
   * `bytes`: read whole. At most `maxResponseBytes`, as for text.
   *
   * `stream`: the response resolves with the headers; the body is read with back-pressure. The request keeps its permit
   * until the stream is closed: by its end, by `destroy` (leaving a `for await` loop does so), by the signal, or by an
   * error. It is not retried. Errors of the stream are UpstreamErrors: UPSTREAM_BAD_RESPONSE for more than
   * `maxResponseBytes`, UPSTREAM_UNAVAILABLE if the connection fails, UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED if the
   * signal fires. The provider's timeout is the longest wait for the headers, and then for each further chunk:
   * UPSTREAM_TIMEOUT. A stream that is not read for that long is closed with UPSTREAM_CANCELLED.
   */
  readonly responseType?: Type | undefined;
};

/** A provider's response. `headers` have lower-case names. */
export type ProviderResponse<Type extends ResponseType = 'text'> = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: ResponseBodies[Type];
};

/** Sends a request of any response type, as middleware sees it. Returns the response, or throws an UpstreamError. */
export type Handler = (request: ProviderRequest<ResponseType>) => Promise<ProviderResponse<ResponseType>>;

/** Sends a request and returns its response, typed by the request's `responseType`. Throws an UpstreamError. */
export type Send = <Type extends ResponseType = 'text'>(
  request: ProviderRequest<Type>,
) => Promise<ProviderResponse<Type>>;

/**
 * One concern around a provider request. It may respond without sending the request, change it, observe it or send it
 * again.
 */
export type Middleware = (next: Handler) => Handler;

/** Composes middleware around the wire; the first is the outermost. */
export const chain = (links: readonly Middleware[], wire: Handler): Handler =>
  links.reduceRight((next, link) => link(next), wire);
