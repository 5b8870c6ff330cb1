import type { Link, SpanContext } from '@opentelemetry/api';
import type { BatchEvent, FetchEvent } from '../events.ts';
import type { RequestTrace, TracedEvent, TracedResponse } from './request-trace.ts';
import type { SharedRequests } from './shared-requests.ts';
import type { SpanData, SpanEvent } from './span.ts';
import { batchSpan, fetchSpan, operationAttributes, permitSpan, planSpan, providerSpan, rootSpan } from './spans.ts';
import { createSpanId } from './trace-context.ts';

/** Shorter waits for a permit have no span: most requests get theirs at once. */
const MIN_WAIT_MS = 1;

/** A span that others belong to. */
type Open<Event> = { readonly event: Event; readonly spanId: string; readonly events: SpanEvent[] };

/** The part of a batch that one trace shows. It lasts from its first wait or request to the end of its last. */
type OpenBatch = Open<BatchEvent> & { startedAt: number; endedAt: number; readonly links: Link[] };

/**
 * Builds the spans of a request from its events: the request itself, below it plans and fetches, below those batches, and below
 * those waits for permits and provider requests.
 *
 * The fetches of a request share its loaders, so that which of them caused a batch is not known. It is placed below the fetch to
 * its subgraph that began last before it.
 */
export const toRequestSpans = (
  trace: RequestTrace,
  response: TracedResponse,
  { claim, linksOf }: SharedRequests,
  toContext: (spanId: string) => SpanContext,
): SpanData[] => {
  const spans: SpanData[] = [];
  const rootEvents: SpanEvent[] = [];
  const batches = new Map<BatchEvent, OpenBatch>();
  const fetches: Open<FetchEvent>[] = trace.events.flatMap(({ event }) =>
    event.type === 'fetch' ? [{ event, spanId: event.spanId ?? createSpanId(), events: [] }] : [],
  );
  fetches.sort((a, b) => a.event.startedAt - b.event.startedAt);

  /** Returns the fetch that something in a subgraph belongs to; undefined in the subgraph's own process. */
  const fetchOf = (subgraph: string, at: number): Open<FetchEvent> | undefined =>
    fetches.findLast(({ event }) => event.subgraph === subgraph && event.startedAt <= at) ??
    // A batch that another request has opened can be older than each fetch of this one.
    fetches.find(({ event }) => event.subgraph === subgraph);

  /** Returns the batch of an event, which then includes this time. */
  const batchOf = (event: BatchEvent, startedAt: number, endedAt = startedAt): OpenBatch => {
    const batch = batches.get(event) ?? { event, spanId: createSpanId(), events: [], links: [], startedAt, endedAt };
    batch.startedAt = Math.min(batch.startedAt, startedAt);
    batch.endedAt = Math.max(batch.endedAt, endedAt);
    batches.set(event, batch);
    return batch;
  };

  const idsIn = (parent: Open<unknown> | undefined) => ({
    spanId: createSpanId(),
    parentId: parent?.spanId ?? trace.spanId,
  });

  const addEvent = (into: Open<unknown> | undefined, event: SpanEvent): void => {
    (into?.events ?? rootEvents).push(event);
  };

  const add = ({ event, at }: TracedEvent): void => {
    switch (event.type) {
      case 'plan':
        spans.push(planSpan(event, idsIn(undefined)));
        return;
      case 'batch':
        batchOf(event, event.startedAt);
        return;
      case 'provider.permit': {
        if (event.waitedMs < MIN_WAIT_MS) return;
        const startedAt = at - event.waitedMs;
        const parent = event.batch ? batchOf(event.batch, startedAt, at) : fetchOf(event.subgraph, startedAt);
        spans.push(permitSpan(event, at, idsIn(parent)));
        return;
      }
      case 'provider.request': {
        const { startedAt, durationMs } = event;
        const batch = event.batch && batchOf(event.batch, startedAt, startedAt + durationMs);
        const { context, isOwner } = claim(event, toContext);
        if (!isOwner) return void batch?.links.push({ context });
        const { links, dropped } = linksOf(event);
        const ids = { ...idsIn(batch ?? fetchOf(event.subgraph, startedAt)), spanId: context.spanId };
        spans.push({ ...providerSpan(event, ids), links, droppedLinks: dropped });
        return;
      }
      case 'provider.retry': {
        const parent = event.batch ? batchOf(event.batch, at) : fetchOf(event.subgraph, at);
        const attributes = { 'error.type': event.code, 'tributary.waited_ms': Math.round(event.waitedMs) };
        addEvent(parent, { name: event.type, at, attributes: { ...operationAttributes(event), ...attributes } });
        return;
      }
      case 'provider.refusal': {
        const parent = event.batch ? batchOf(event.batch, at) : fetchOf(event.subgraph, at);
        const attributes = { ...operationAttributes(event), 'tributary.reason': event.reason };
        addEvent(parent, { name: event.type, at, attributes });
        return;
      }
      case 'cache.read': {
        const { hits, stale, misses } = event;
        const counts = { 'tributary.hits': hits, 'tributary.stale': stale, 'tributary.misses': misses };
        const attributes = { ...operationAttributes(event), ...counts };
        addEvent(fetchOf(event.subgraph, at), { name: event.type, at, attributes });
      }
    }
  };

  for (const traced of trace.events) add(traced);
  for (const { event, spanId, events } of fetches) {
    spans.push({ ...fetchSpan(event, { spanId, parentId: trace.spanId }), events });
  }
  for (const { event, spanId, startedAt, endedAt, events, links } of batches.values()) {
    const ids = { ...idsIn(fetchOf(event.subgraph, startedAt)), spanId };
    spans.push({ ...batchSpan(event, ids), startedAt, endedAt, events, links });
  }
  spans.push({ ...rootSpan(trace, response), events: rootEvents, droppedEvents: trace.dropped });
  return spans;
};
