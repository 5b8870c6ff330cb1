import {
  type Attributes,
  type AttributeValue,
  createTraceState,
  type HrTime,
  type Link,
  type SpanContext,
  type SpanKind,
  SpanStatusCode,
  TraceFlags,
  type TraceState,
} from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** A point in time within a span. */
export type SpanEvent = { readonly name: string; readonly at: number; readonly attributes: MaybeAttributes };

/** Attributes without the undefined ones. */
export type MaybeAttributes = Readonly<Record<string, AttributeValue | undefined>>;

/** A finished span. Times are those of `monotonicNow`. */
export type SpanData = {
  readonly name: string;
  readonly kind: SpanKind;
  readonly spanId: string;
  readonly parentId: string | undefined;
  /** Whether the parent is a span of another process. */
  readonly isParentRemote?: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  /** The code of the error that it ended with, if any. */
  readonly error?: string | undefined;
  /** Whether `error` makes the span a failed one. Default: true. */
  readonly isFailed?: boolean;
  readonly attributes: MaybeAttributes;
  readonly events?: readonly SpanEvent[];
  readonly droppedEvents?: number;
  readonly links?: readonly Link[];
  readonly droppedLinks?: number;
};

/** The context that all spans of a trace share. */
export type TraceOfSpans = {
  readonly traceId: string;
  readonly state: TraceState | undefined;
  /** What must be added to `monotonicNow` for the time since 1970, in milliseconds. */
  readonly clockOffsetMs: number;
};

export const createTraceOfSpans = (
  traceId: string,
  state: string | undefined,
  clockOffsetMs: number,
): TraceOfSpans => ({
  traceId,
  state: state === undefined ? undefined : createTraceState(state),
  clockOffsetMs,
});

const SCOPE = { name: 'tributary' };

/** Returns the context of a span of an exported trace. */
export const toSpanContext = (
  { traceId, state }: Pick<TraceOfSpans, 'traceId' | 'state'>,
  spanId: string,
): SpanContext => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED, ...(state && { traceState: state }) });

/** Converts a span to the form that exporters take. */
export const toReadableSpan = (trace: TraceOfSpans, resource: Resource, span: SpanData): ReadableSpan => {
  const { name, kind, startedAt, error, isFailed = true, links = [], events = [] } = span;
  const context = toSpanContext(trace, span.spanId);
  const endedAt = Math.max(startedAt, span.endedAt);
  const toTime = (at: number): HrTime => toHrTime(at + trace.clockOffsetMs);
  return {
    name,
    kind,
    spanContext: () => context,
    ...(span.parentId !== undefined && {
      parentSpanContext: { ...toSpanContext(trace, span.parentId), isRemote: span.isParentRemote ?? false },
    }),
    startTime: toTime(startedAt),
    endTime: toTime(endedAt),
    duration: toHrTime(endedAt - startedAt),
    ended: true,
    status: error !== undefined && isFailed ? { code: SpanStatusCode.ERROR, message: error } : UNSET,
    attributes: toAttributes({ ...span.attributes, 'error.type': error }),
    events: events.map(({ name: event, at, attributes }) => ({
      name: event,
      time: toTime(at),
      attributes: toAttributes(attributes),
    })),
    links: [...links],
    resource,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: span.droppedEvents ?? 0,
    droppedLinksCount: span.droppedLinks ?? 0,
  };
};

const UNSET = { code: SpanStatusCode.UNSET };

const toAttributes = (attributes: MaybeAttributes): Attributes => {
  const defined: Attributes = {};
  for (const name in attributes) if (attributes[name] !== undefined) defined[name] = attributes[name];
  return defined;
};

/** Converts milliseconds to seconds and nanoseconds. */
const toHrTime = (ms: number): HrTime => {
  const nanoseconds = Math.round((ms % 1_000) * 1e6);
  const seconds = Math.floor(ms / 1_000);
  return nanoseconds === 1e9 ? [seconds + 1, 0] : [seconds, nanoseconds];
};
