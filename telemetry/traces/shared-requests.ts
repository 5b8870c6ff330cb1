import { type Link, type SpanContext, TraceFlags } from '@opentelemetry/api';
import type { ProviderRequestEvent } from '../events.ts';
import type { RequestTrace } from './request-trace.ts';
import { createSpanId } from './trace-context.ts';

/** Maximum number of client requests to which the span of a provider request is linked. Further ones are counted. */
export const MAX_LINKS = 128;

type Served = { readonly traces: RequestTrace[]; count: number };

/** The spans of provider requests, each of which may serve several client requests but belongs to one trace. */
export type SharedRequests = {
  /** Notes that a provider request serves a client request. */
  readonly serve: (trace: RequestTrace, event: ProviderRequestEvent) => void;
  /**
   * Returns the context of a provider request's span, and whether the trace owns it: the first trace that is exported does, and
   * the others are linked to it.
   */
  readonly claim: (
    event: ProviderRequestEvent,
    toContext: (spanId: string) => SpanContext,
  ) => { readonly context: SpanContext; readonly isOwner: boolean };
  /** Returns links to the client requests that a provider request served, if there were several, and the number left out. */
  readonly linksOf: (event: ProviderRequestEvent) => { readonly links: readonly Link[]; readonly dropped: number };
};

export const createSharedRequests = (): SharedRequests => {
  const served = new WeakMap<ProviderRequestEvent, Served>();
  const spans = new WeakMap<ProviderRequestEvent, SpanContext>();
  return {
    serve: (trace, event) => {
      let entry = served.get(event);
      if (!entry) {
        entry = { traces: [], count: 0 };
        served.set(event, entry);
      }
      entry.count += 1;
      if (entry.traces.length < MAX_LINKS) entry.traces.push(trace);
    },
    claim: (event, toContext) => {
      const known = spans.get(event);
      if (known) return { context: known, isOwner: false };
      const context = toContext(createSpanId());
      spans.set(event, context);
      return { context, isOwner: true };
    },
    linksOf: (event) => {
      const { traces, count } = served.get(event) ?? { traces: [], count: 0 };
      if (count < 2) return { links: [], dropped: 0 };
      return { links: traces.map(toLink), dropped: count - traces.length };
    },
  };
};

const toLink = ({ traceId, spanId, isSampled }: RequestTrace): Link => ({
  context: { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE },
});
