import type { EventEmitter } from 'node:events';
import { monotonicNow } from '../../runtime/clock.ts';
import { onResponseClose } from '../../runtime/on-response-close.ts';
import type { OperationEvent, ProviderRequestEvent, TelemetryEvent } from '../events.ts';
import type { RequestListener } from '../telemetry.ts';
import {
  createSpanId,
  createTraceId,
  readTraceParent,
  readTraceState,
  type TraceParent,
  writeTraceParent,
} from './trace-context.ts';

/** Maximum number of events that one request keeps for its spans. Further ones are counted. */
export const MAX_EVENTS = 1_000;

/** An event of a request, and when it was announced, by `monotonicNow`. */
export type TracedEvent = { readonly event: TelemetryEvent; readonly at: number };

/** The request to trace. */
export type TracedRequest = {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly method: string;
  /** The path that serves it, e.g. `/graphql`. */
  readonly route: string;
  readonly scheme: 'http' | 'https';
  /** When it arrived, by `monotonicNow`. */
  readonly startedAt: number;
};

/** The response's status and time. */
export type TracedResponse = {
  readonly status: number;
  /** Whether the client received it, or disconnected before. */
  readonly isSent: boolean;
  readonly endedAt: number;
};

/** A response of Node's HTTP server. */
type ServerResponse = EventEmitter & { readonly statusCode: number; readonly writableFinished: boolean };

/** What is known of a request's operation once it has been answered. */
export type TracedOperation = Pick<OperationEvent, 'operationName' | 'kind' | 'outcome' | 'codes' | 'stale'> & {
  readonly hash?: string | undefined;
};

export type RequestTraceOptions = {
  /** Whether a trace is exported, whatever its outcome. */
  readonly isSampled: (traceId: string, parent: TraceParent | undefined) => boolean;
  /** Called once, when the response has ended and the operation, if there is one, has been answered. */
  readonly onEnd: (trace: RequestTrace, response: TracedResponse) => void;
  /** Called with each provider request that ends after that. */
  readonly onLate: (trace: RequestTrace, event: ProviderRequestEvent) => void;
  /** Called with each provider request that serves this client request. */
  readonly onServed: (trace: RequestTrace, event: ProviderRequestEvent) => void;
};

/**
 * The trace context of one request, and the events from which its spans are built, if it is exported. A class, because every
 * request has one while tracing is on.
 */
export class RequestTrace implements RequestListener {
  readonly request: Omit<TracedRequest, 'headers'>;
  readonly parent: TraceParent | undefined;
  readonly traceId: string;
  readonly state: string | undefined;
  readonly isSampled: boolean;
  readonly events: TracedEvent[] = [];
  /** The number of events that were not kept. */
  dropped = 0;
  operation: TracedOperation | undefined;
  /** Whether its spans were exported. */
  isExported = false;
  readonly #options: RequestTraceOptions;
  #spanId: string | undefined;
  #isOperationRunning = false;
  #response: TracedResponse | undefined;
  #hasEnded = false;

  constructor({ headers, ...request }: TracedRequest, options: RequestTraceOptions) {
    // Without its headers: a trace may be kept long after the request, and they contain credentials.
    this.request = request;
    this.#options = options;
    this.parent = readTraceParent(headers['traceparent']);
    this.traceId = this.parent?.traceId ?? createTraceId();
    this.state = this.parent && readTraceState(headers['tracestate']);
    this.isSampled = options.isSampled(this.traceId, this.parent);
  }

  /** The id of the span of the whole request. */
  get spanId(): string {
    this.#spanId ??= createSpanId();
    return this.#spanId;
  }

  /** Returns the headers by which a subgraph's spans become children of this span. */
  headersFor(spanId: string): Record<string, string> {
    const { traceId, isSampled, state } = this;
    const traceparent = writeTraceParent({ traceId, spanId, isSampled });
    return state === undefined ? { traceparent } : { traceparent, tracestate: state };
  }

  on(event: TelemetryEvent): void {
    if (event.type === 'operation') this.answered(event);
    else this.#keep(event);
  }

  #keep(event: TelemetryEvent): void {
    if (event.type === 'provider.request') {
      this.#options.onServed(this, event);
      if (this.#hasEnded) this.#options.onLate(this, event);
    }
    if (this.#hasEnded) return;
    if (this.events.length < MAX_EVENTS) this.events.push({ event, at: monotonicNow() });
    else this.dropped += 1;
  }

  /** An operation begins. The trace does not end before it has been answered. */
  begin(): void {
    this.#isOperationRunning = true;
  }

  answered(operation: TracedOperation): void {
    this.operation = operation;
    this.#isOperationRunning = false;
    this.#endIfDone();
  }

  /** Ends the trace with this response: once it has been sent, or the client has disconnected. */
  follow(response: ServerResponse): void {
    onResponseClose(response, () => {
      const { statusCode: status, writableFinished: isSent } = response;
      this.#response = { status, isSent, endedAt: monotonicNow() };
      this.#endIfDone();
    });
  }

  #endIfDone(): void {
    if (this.#hasEnded || !this.#response || this.#isOperationRunning) return;
    this.#hasEnded = true;
    this.#options.onEnd(this, this.#response);
    // A provider request that goes on may keep the trace in memory.
    this.events.length = 0;
  }
}
