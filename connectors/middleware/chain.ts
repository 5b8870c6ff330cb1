import type { Readable } from 'node:stream';
import type { CallStats } from '../call-stats.ts';
import type { Permit } from '../rate-limits/scheduler.ts';

/**
 * Where a call stands in line while a provider takes no more for now. Shared by all who wait for the call and read anew
 * each time a place is free, because somebody in more of a hurry may join.
 */
export type Priority = {
  /** When the answer is of no more use, by `monotonicNow`. */
  deadlineAt: number;
  /** Nobody waits for it: it goes after every call that somebody waits for. */
  isBackground: boolean;
  /** Whose call it is, usually one client request: many calls of one do not keep another waiting. */
  readonly flow: object;
};

/** For how much longer an answer is as good as a new one, in milliseconds: as long as the first thing in it that ages. */
export type Freshness = { leftMs: number };

/** What every provider call can be told by the request that needs it. */
export type RequestOptions = {
  /** Ends the call early. A signal whose reason is a `TimeoutError` counts as a deadline that has passed. */
  readonly signal?: AbortSignal | undefined;
  /** Default: no deadline, and a client waits for it. */
  readonly priority?: Priority | undefined;
  /** What was asked of the provider before this moment will not do, by `monotonicNow`. */
  readonly notBefore?: number | undefined;
  /** Where the call is entered, beside the process's own ledger: one for each request that it is made for. */
  readonly requestStats?: ReadonlySet<CallStats> | undefined;
  /** Told by what is read; a call that nothing keeps the answer of leaves no time. Default: nobody wants to know. */
  readonly freshness?: Freshness | undefined;
  /** Settings by the provider's name, where the request has credentials of its own. Default: the configured ones. */
  readonly credentials?: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
  /** What the request is expected to cost under rate limits by cost. Default: 1. More than a limit holds counts as all of it. */
  readonly cost?: number | undefined;
  /** A permit that was acquired for the request beforehand. */
  readonly permit?: Permit | undefined;
};

/** A response's body while it arrives. `bytesRead` counts what has arrived. */
export type ResponseStream = Readable & { readonly bytesRead: number };

/** The body of a response by the `responseType` of its request. */
export type ResponseBodies = { readonly text: string; readonly bytes: Uint8Array; readonly stream: ResponseStream };

export type ResponseType = keyof ResponseBodies;

/** One call to a provider, as the links of the chain see it. */
export type ProviderRequest<Type extends ResponseType = 'text'> = RequestOptions & {
  /** Names the endpoint without ids or values: `POST /crm/objects/2026-09/contacts/batch/read`, `catalogInventoryStockItemList`. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** True where the call changes something at the provider, so that doing it twice matters. */
  readonly write: boolean;
  /** What the provider knows a repeated write by. Without it a write is never sent again. */
  readonly idempotencyKey?: string | undefined;
  /** Other calls cannot be sent before this one is answered (a login), so it does not stand in line with them. */
  readonly skipRateLimit?: boolean | undefined;
  /**
   * The kind of body to respond with. Default: `text`. A status other than 2xx is a failure for `bytes` and `stream`, and its
   * body is text.
   *
   * `bytes`: read whole. At most `maxResponseBytes`, as for text.
   *
   * `stream`: the response resolves with the headers; the body is read with back-pressure. The request keeps its permit until
   * the stream is closed: by its end, by `destroy` (leaving a `for await` loop does so), by the signal, or by an error. It is not
   * retried. Errors of the stream are UpstreamErrors: UPSTREAM_BAD_RESPONSE for more than `maxResponseBytes`,
   * UPSTREAM_UNAVAILABLE where the connection fails, UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED where the signal fires. The
   * provider's timeout is the longest wait for the headers, and then for each further chunk: UPSTREAM_TIMEOUT. A stream that
   * nobody reads for as long is closed with UPSTREAM_CANCELLED.
   */
  readonly responseType?: Type | undefined;
};

/** A provider's answer. `headers` have lower-case names. */
export type ProviderResponse<Type extends ResponseType = 'text'> = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: ResponseBodies[Type];
};

/**
 * The number of operations that are told apart. Operations are named in code and a provider has a few dozen; a name with an
 * id in it would otherwise make everything that is kept for each operation grow without end.
 */
export const MAX_OPERATIONS = 1_000;

/** Sends a call and gives the answer, or throws an UpstreamError. As the links of the chain see it: of any response type. */
export type Handler = (call: ProviderRequest<ResponseType>) => Promise<ProviderResponse<ResponseType>>;

/** Sends a call and gives the answer, of the response type that the call names, or throws an UpstreamError. */
export type Send = <Type extends ResponseType = 'text'>(call: ProviderRequest<Type>) => Promise<ProviderResponse<Type>>;

/** One concern of the way to a provider. It may answer by itself, change the call, watch it or send it again. */
export type Middleware = (next: Handler) => Handler;

/** Puts the links before the wire; the first link is the outermost. */
export const chain = (links: readonly Middleware[], wire: Handler): Handler =>
  links.reduceRight((next, link) => link(next), wire);
