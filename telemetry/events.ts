/*
 * Everything that operators can observe, announced once where it happens. Durations are in milliseconds, and times are those of
 * `monotonicNow`. Events consist of names from code and schemas, codes and figures. Not to be trusted is what clients choose: the
 * query of `fetch`; the name, the client and the trace of `operation`; the network and the trace of `refusal`; the method of
 * `http.request`. Nor are the codes of external subgraphs, in `fetch` and `operation`, and their figures in `callStats`.
 */

import type { CallStatsRow } from './call-stats-row.ts';

/** A provider request that has ended. Each retry is a request of its own. */
export type ProviderRequestEvent = {
  readonly type: 'provider.request';
  readonly subgraph: string;
  readonly operation: string;
  /** The batch that it was sent for, if any. */
  readonly batch: BatchEvent | undefined;
  readonly method: string;
  /** The provider's host, with its port if that is not the default. */
  readonly host: string;
  readonly isWrite: boolean;
  /** Whether it repeats one that failed. */
  readonly isRepeat: boolean;
  /** Whether no client waits for it. */
  readonly isBackground: boolean;
  readonly startedAt: number;
  readonly durationMs: number;
  /** The HTTP status of the response; undefined if there was none. */
  readonly status: number | undefined;
  /** The code of its error; undefined if it succeeded. */
  readonly code: string | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
};

/** A failed provider request is about to be repeated. */
export type ProviderRetryEvent = {
  readonly type: 'provider.retry';
  readonly subgraph: string;
  readonly operation: string;
  readonly batch: BatchEvent | undefined;
  readonly code: string;
  /** How long was waited before the repetition. */
  readonly waitedMs: number;
};

/** A provider request got its permit after it was queued. */
export type PermitEvent = {
  readonly type: 'provider.permit';
  readonly subgraph: string;
  readonly operation: string;
  readonly batch: BatchEvent | undefined;
  /** Whether no client waits for it. */
  readonly isBackground: boolean;
  readonly waitedMs: number;
};

/** A provider request was not sent: for a rate limit, an open circuit breaker, or a budget. */
export type ProviderRefusalEvent = {
  readonly type: 'provider.refusal';
  readonly subgraph: string;
  readonly operation: string;
  readonly batch: BatchEvent | undefined;
  readonly reason: 'rate_limit' | 'circuit_open' | 'budget';
};

/** A provider rejected a request under a rate limit, so that requests under it pause. */
export type RateLimitPauseEvent = {
  readonly type: 'provider.pause';
  readonly subgraph: string;
  readonly operation: string;
};

/** A failed provider request, for the log. */
export type ProviderFailure = {
  readonly code: string;
  readonly status: number | undefined;
  /** The error code of the operating system or the HTTP client, e.g. `ECONNREFUSED`, if that is the reason. */
  readonly why: unknown;
};

/** A circuit breaker changed its state. */
export type BreakerEvent = {
  readonly type: 'provider.breaker';
  readonly subgraph: string;
  readonly operation: string;
  readonly state: 'closed' | 'open' | 'half_open';
  /** The last of the failures that opened it; undefined for other changes, also if it stays open because a probe failed. */
  readonly failure?: ProviderFailure;
};

/** A batch of keys is sent to a provider. If it is rejected, its halves are batches of their own. */
export type BatchEvent = {
  readonly type: 'batch';
  readonly subgraph: string;
  readonly operation: string;
  readonly keys: number;
  /** Maximum number of keys in one request. */
  readonly batchSize: number;
  readonly startedAt: number;
};

/** Keys were looked up in the cache. */
export type CacheReadEvent = {
  readonly type: 'cache.read';
  readonly subgraph: string;
  readonly operation: string;
  /** Keys served fresh. */
  readonly hits: number;
  /** Keys served stale, also those that the provider was asked for first. */
  readonly stale: number;
  /** Keys that the provider was asked for. */
  readonly misses: number;
  /** The age of the oldest value that was served stale; 0 if none was. */
  readonly oldestMs: number;
};

/** A write or an event invalidated cached values. */
export type InvalidationEvent = {
  readonly type: 'cache.invalidation';
  readonly subgraph: string;
  readonly tags: number;
};

/** A gateway's request to a subgraph has ended, in process or over HTTP. */
export type FetchEvent = {
  readonly type: 'fetch';
  readonly subgraph: string;
  /** The query text, as in the plan. It can contain values that the client wrote into its operation. */
  readonly query: string;
  /** Whether it was sent over HTTP. */
  readonly isRemote: boolean;
  /** The id of its span, which a subgraph over HTTP continues. Undefined unless the request is traced. */
  readonly spanId: string | undefined;
  /** Number of entities requested. 0 for root fields. */
  readonly entities: number;
  readonly errors: number;
  /** The codes of its errors, each once. */
  readonly codes: readonly string[];
  /** Whether the client request had ended before: its deadline had passed, or its client had left. */
  readonly isAborted: boolean;
  readonly startedAt: number;
  readonly durationMs: number;
};

/** An operation was planned and compiled. */
export type PlanEvent = {
  readonly type: 'plan';
  readonly isFailed: boolean;
  readonly startedAt: number;
  readonly durationMs: number;
};

/** The gateway has answered an operation. */
export type OperationEvent = {
  readonly type: 'operation';
  /** The name that the client gave the operation; undefined if it has none, or is not valid. */
  readonly operationName: string | undefined;
  readonly kind: 'query' | 'mutation' | 'subscription' | undefined;
  /** SHA-256 of the operation's text, hexadecimal; undefined if there was no text. */
  readonly hash: string | undefined;
  /** The id of the trace that the request is part of, if any. */
  readonly traceId: string | undefined;
  readonly client: {
    /** How it authenticated and its subject, e.g. `api-key:web`, with the issuer of its token if there are several; `anonymous` for a client that did not authenticate. */
    readonly name: string;
    /** The part of its IP address that it cannot change. */
    readonly network: string;
  };
  /** `ok`: without errors. `partial`: with data and errors. `error`: without data. */
  readonly outcome: 'ok' | 'partial' | 'error';
  /** The codes of its errors, each once. `UPSTREAM_CANCELLED` alone if it has errors and its client has disconnected. */
  readonly codes: readonly string[];
  /** The number of notes about stale values in the response. */
  readonly stale: number;
  /** The provider calls made or begun for it, by subgraph. Of an external subgraph, the gateway's requests to it. */
  readonly calls: ReadonlyMap<string, number>;
  /** Its call statistics, with what subgraphs over HTTP report: external ones may report anything. */
  readonly callStats: readonly Readonly<CallStatsRow>[];
  readonly startedAt: number;
  readonly durationMs: number;
};

/** A request was refused before its operation was read. */
export type RefusalEvent = {
  readonly type: 'refusal';
  readonly code: string;
  /** The part of the client's IP address that it cannot change. */
  readonly network: string;
  /** The id of the trace that the request is part of, if any. */
  readonly traceId: string | undefined;
};

/** A response was sent to a request over HTTP, or its client has left, by a gateway or a subgraph process. */
export type HttpRequestEvent = {
  readonly type: 'http.request';
  readonly method: string;
  /** The path's pattern, e.g. `/graphql`; undefined for a path that is not served. */
  readonly route: string | undefined;
  /** 499 if the client left before the header of the response was sent. */
  readonly status: number;
  readonly durationMs: number;
};

/** A delivery of a provider's webhook was committed. */
export type WebhookDeliveryEvent = {
  readonly type: 'webhook.delivery';
  readonly provider: string;
  /** The number of its events, and of those that were known before. */
  readonly events: number;
  readonly duplicates: number;
};

/** A delivery to a webhook was refused. */
export type WebhookRefusalEvent = {
  readonly type: 'webhook.refusal';
  readonly provider: string;
  /** What is wrong with its signature, or that the inbox is full or unavailable. */
  readonly reason: 'missing' | 'malformed' | 'signature' | 'timestamp' | 'certificate' | 'full' | 'unavailable';
};

/** An event took effect in this process. */
export type EventAppliedEvent = {
  readonly type: 'event.applied';
  readonly provider: string;
  /** Whether it is the newest known of its object, an older one, or that is not known. */
  readonly order: 'newest' | 'older' | 'unknown';
  /** From its arrival until its effect, in milliseconds of the wall clock. */
  readonly lagMs: number;
};

/** An event cannot be applied, and waits for an operator. */
export type EventParkedEvent = { readonly type: 'event.parked'; readonly provider: string };

/** The inbox of events could not be read or written. */
export type InboxFailureEvent = { readonly type: 'inbox.failure' };

/** A provider without webhooks was polled for changes. */
export type PollEvent = { readonly type: 'poll'; readonly provider: string; readonly isFailed: boolean };

/** Values of a provider without webhooks were compared with those that were known. */
export type PollChangesEvent = {
  readonly type: 'poll.changes';
  readonly provider: string;
  /** The number of values that have changed. */
  readonly changes: number;
};

/** Events were published to the message broker. */
export type BrokerPublishedEvent = {
  readonly type: 'broker.published';
  readonly messages: number;
  /** From the arrival of each event until the broker has taken it, in milliseconds of the wall clock. */
  readonly lagsMs: readonly number[];
};

/** Messages of the broker were committed. */
export type BrokerReceivedEvent = {
  readonly type: 'broker.received';
  /** The number of events, of those that were known before, and of those that were published from here. */
  readonly events: number;
  readonly duplicates: number;
  readonly own: number;
};

/** Events could not be published, or what the broker delivered could not be stored. */
export type BrokerFailureEvent = { readonly type: 'broker.failure'; readonly direction: 'out' | 'in' };

/** Events were forgotten before the broker has taken them. */
export type BrokerLostEvent = { readonly type: 'broker.lost'; readonly events: number };

/** The response to an event was sent to subscribers of one subscription. */
export type SubscriptionEvent = {
  readonly type: 'subscription.event';
  readonly subscribers: number;
  /** From the arrival of the provider's event, in milliseconds of the wall clock. Undefined for those of other subgraphs. */
  readonly lagMs: number | undefined;
};

export type TelemetryEvent =
  | ProviderRequestEvent
  | ProviderRetryEvent
  | PermitEvent
  | ProviderRefusalEvent
  | RateLimitPauseEvent
  | BreakerEvent
  | BatchEvent
  | CacheReadEvent
  | InvalidationEvent
  | FetchEvent
  | PlanEvent
  | OperationEvent
  | RefusalEvent
  | HttpRequestEvent
  | WebhookDeliveryEvent
  | WebhookRefusalEvent
  | EventAppliedEvent
  | EventParkedEvent
  | InboxFailureEvent
  | PollEvent
  | PollChangesEvent
  | BrokerPublishedEvent
  | BrokerReceivedEvent
  | BrokerFailureEvent
  | BrokerLostEvent
  | SubscriptionEvent;
