import type { DocumentNode, OperationTypeNode } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { Data } from './data.ts';

/** A subgraph operation, known at compile time. */
export type SubgraphOperation = {
  readonly query: string;
  readonly document: DocumentNode;
  readonly kind: OperationTypeNode;
  readonly operationName: string | undefined;
};

/** The deduplicated entity representations of a request. */
export type Representations = {
  /** The variable that holds them. */
  readonly variable: string;
  /** Each representation as JSON text. */
  readonly texts: readonly string[];
  /** Each representation as an object. Empty unless the client's encoding is `object`. */
  readonly values: readonly Data[];
};

export type SubgraphRequest = {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly representations: readonly Representations[];
  /** The id of the request's span, which the subgraph continues. Undefined unless the client request is traced. */
  readonly spanId?: string | undefined;
};

/** An error from a subgraph, safe to show to clients. */
export type SubgraphError = {
  readonly message: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
};

export type SubgraphResponse = {
  /** Owned by the program, which changes it. Null or undefined if the subgraph returned no data. */
  readonly data: Data | null | undefined;
  readonly errors?: readonly SubgraphError[] | undefined;
  /** Notes about stale data, with paths as in errors. */
  readonly stale?: readonly StaleNote[] | undefined;
};

/** The provider's event that a subscription's event is of. */
export type EventCause = {
  readonly provider: string;
  /** E.g. `customer.updated`. */
  readonly type: string;
  /** The changed object, e.g. `customer cus_1`; null if there is none. */
  readonly object: string | null;
  /** When it arrived, and when what it changes had been invalidated here, in milliseconds since 1970. */
  readonly receivedAt: number;
  readonly invalidatedAt: number | undefined;
  /** The invalidated reads of the provider, each with the number of scopes, or `all`. */
  readonly invalidated: () => readonly { readonly read: string; readonly scopes: number | 'all' }[];
};

/** An event of a subscription. */
export type SubgraphEvent<Context> = {
  /** The place after which the subscription can be continued. Undefined if the subgraph has no such places. */
  readonly eventId: string | undefined;
  /** When the change was reported, in milliseconds since 1970, if that is known. */
  readonly receivedAt: number | undefined;
  /** What has caused it. Undefined if that is known to another process only. */
  readonly cause?: EventCause | undefined;
  /** Returns what the subscription selects of the event. Never rejects. */
  readonly respond: (context: Context) => Promise<SubgraphResponse>;
};

/** Controls of a subscription to a subgraph. */
export type SubscribeOptions<Context> = {
  /** The id of the event after which to begin. Default: now. */
  readonly after: string | undefined;
  /** Ends the subscription. */
  readonly signal: AbortSignal;
  /** Creates a context for the decision whether an event is wanted. `release` frees what it holds. */
  readonly createContext: () => { readonly context: Context; readonly release: () => void };
};

/** A subscription that has begun, or the reasons why it has not. */
export type SubgraphSubscription<Context> =
  | {
      /** The place from which it begins. Undefined if the subgraph has no places. */
      readonly place: string | undefined;
      readonly events: AsyncIterable<SubgraphEvent<Context>>;
    }
  | readonly SubgraphError[];

/** The subgraph has ended a subscription, or failed. */
export class SubscriptionLost extends Error {}

/** Sends requests to one subgraph. `Context` holds the state of one client request. */
export type SubgraphClient<Context> = {
  /** The encoding in which it takes representations. */
  readonly encoding: 'json' | 'object';
  /** Prepares an operation for repeated sending. The returned function never rejects: failures are in `errors`. */
  readonly prepare: (
    operation: SubgraphOperation,
  ) => (request: SubgraphRequest, context: Context) => Promise<SubgraphResponse>;
  /**
   * Prepares a subscription. Undefined if the subgraph sends no events. The returned function never rejects. Reading its events throws EventsExpired if there are none after
   * the given place, and SubscriptionLost if the subgraph ends or fails.
   */
  readonly prepareSubscription?: (
    operation: SubgraphOperation,
  ) => (
    request: Pick<SubgraphRequest, 'variables'>,
    context: Context,
    options: SubscribeOptions<Context>,
  ) => Promise<SubgraphSubscription<Context>>;
};
