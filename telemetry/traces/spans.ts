import { SpanKind } from '@opentelemetry/api';
import type { BatchEvent, FetchEvent, PermitEvent, PlanEvent, ProviderRequestEvent } from '../events.ts';
import { findFailure } from './client-faults.ts';
import type { RequestTrace, TracedResponse } from './request-trace.ts';
import type { MaybeAttributes, SpanData } from './span.ts';

/*
 * The spans of a request, with the names of OpenTelemetry's semantic conventions where they have one. They contain no text of
 * documents, no URLs and no values: only names from code and schemas, codes and figures, and the operation's name.
 */

/** Maximum length of an operation's name in a span. */
const MAX_NAME_CHARS = 200;

/** The ids of a span, and those of its parent in the same trace. */
export type SpanIds = Pick<SpanData, 'spanId' | 'parentId'>;

/** The span of a request that this process serves. */
export const rootSpan = (trace: RequestTrace, { status, isSent, endedAt }: TracedResponse): SpanData => {
  const { request, parent, operation } = trace;
  const codes = operation?.codes ?? [];
  const failure = findFailure(codes) ?? (status >= 500 ? String(status) : undefined);
  return {
    name: `${request.method} ${request.route}`,
    kind: SpanKind.SERVER,
    spanId: trace.spanId,
    parentId: parent?.spanId,
    isParentRemote: true,
    startedAt: request.startedAt,
    endedAt,
    error: failure ?? codes[0],
    // By the conventions, a request that is the client's fault has not failed.
    isFailed: failure !== undefined,
    attributes: {
      'http.request.method': request.method,
      'http.route': request.route,
      'http.response.status_code': isSent ? status : undefined,
      'url.path': request.route,
      'url.scheme': request.scheme,
      'graphql.operation.name': operation?.operationName?.slice(0, MAX_NAME_CHARS),
      'graphql.operation.type': operation?.kind,
      'tributary.operation.hash': operation?.hash,
      'tributary.outcome': operation?.outcome,
      'tributary.error.codes': codes.length > 0 ? [...codes] : undefined,
      'tributary.stale': operation?.stale || undefined,
      'tributary.disconnected': isSent ? undefined : true,
    },
  };
};

export const planSpan = ({ isFailed, startedAt, durationMs }: PlanEvent, ids: SpanIds): SpanData => ({
  ...ids,
  name: 'plan',
  kind: SpanKind.INTERNAL,
  startedAt,
  endedAt: startedAt + durationMs,
  error: isFailed ? '_OTHER' : undefined,
  attributes: {},
});

export const fetchSpan = (event: FetchEvent, ids: SpanIds): SpanData => ({
  ...ids,
  name: `fetch ${event.subgraph}`,
  kind: event.isRemote ? SpanKind.CLIENT : SpanKind.INTERNAL,
  startedAt: event.startedAt,
  endedAt: event.startedAt + event.durationMs,
  error: findFailure(event.codes) ?? event.codes[0],
  isFailed: findFailure(event.codes) !== undefined,
  attributes: {
    'http.request.method': event.isRemote ? 'POST' : undefined,
    'tributary.subgraph': event.subgraph,
    'tributary.entities': event.entities,
    'tributary.errors': event.errors || undefined,
  },
});

export const batchSpan = (event: BatchEvent, ids: SpanIds): Omit<SpanData, 'startedAt' | 'endedAt'> => ({
  ...ids,
  name: `batch ${event.operation}`,
  kind: SpanKind.INTERNAL,
  attributes: {
    ...operationAttributes(event),
    'tributary.batch.keys': event.keys,
    'tributary.batch.size': event.batchSize,
  },
});

export const permitSpan = (event: PermitEvent, endedAt: number, ids: SpanIds): SpanData => ({
  ...ids,
  name: 'wait for a permit',
  kind: SpanKind.INTERNAL,
  startedAt: endedAt - event.waitedMs,
  endedAt,
  attributes: operationAttributes(event),
});

export const providerSpan = (event: ProviderRequestEvent, ids: SpanIds): SpanData => {
  const [, address, port] = /^(.*?)(?::(\d+))?$/.exec(event.host) ?? [];
  return {
    ...ids,
    name: event.operation,
    kind: SpanKind.CLIENT,
    startedAt: event.startedAt,
    endedAt: event.startedAt + event.durationMs,
    error: event.code,
    attributes: {
      ...operationAttributes(event),
      'http.request.method': event.method,
      'http.response.status_code': event.status,
      'http.request.body.size': event.bytesSent,
      'http.response.body.size': event.bytesReceived,
      'server.address': address,
      'server.port': port === undefined ? undefined : Number(port),
      'tributary.write': event.isWrite || undefined,
      'tributary.repeat': event.isRepeat || undefined,
      'tributary.background': event.isBackground || undefined,
    },
  };
};

export const operationAttributes = ({
  subgraph,
  operation,
}: {
  readonly subgraph: string;
  readonly operation: string;
}): MaybeAttributes => ({ 'tributary.subgraph': subgraph, 'tributary.provider.operation': operation });
