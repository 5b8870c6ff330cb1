import { z } from 'zod';
import { startHttpServer } from './http-server.ts';

/* A collector of traces. Its shapes follow the JSON form of opentelemetry.proto.trace.v1, whose parsers refuse other fields' types. */

const Id = (bytes: number) => z.string().regex(new RegExp(`^(?!0+$)[0-9a-f]{${2 * bytes}}$`));
const Nanoseconds = z.string().regex(/^\d{19}$/);
type Value = string | number | boolean | Value[];
const AnyValue: z.ZodType<Value> = z
  .union([
    z.strictObject({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
    z.strictObject({ intValue: z.number().int() }).transform(({ intValue }) => intValue),
    z.strictObject({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
    z.strictObject({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
    z
      .strictObject({ arrayValue: z.strictObject({ values: z.array(z.lazy(() => AnyValue)) }) })
      .transform(({ arrayValue }) => arrayValue.values),
  ])
  .pipe(z.custom<Value>());
const Attributes = z
  .array(z.strictObject({ key: z.string().min(1), value: AnyValue }))
  .transform((pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])));
const Count = z.number().int().min(0);

const Link = z.strictObject({
  traceId: Id(16),
  spanId: Id(8),
  attributes: Attributes,
  droppedAttributesCount: Count,
  flags: Count,
  traceState: z.string().optional(),
});

const Span = z.strictObject({
  traceId: Id(16),
  spanId: Id(8),
  parentSpanId: Id(8).optional(),
  traceState: z.string().optional(),
  name: z.string().min(1),
  kind: z.number().int().min(1).max(5),
  startTimeUnixNano: Nanoseconds,
  endTimeUnixNano: Nanoseconds,
  attributes: Attributes,
  droppedAttributesCount: Count,
  events: z.array(
    z.strictObject({
      name: z.string().min(1),
      timeUnixNano: Nanoseconds,
      attributes: Attributes,
      droppedAttributesCount: Count,
    }),
  ),
  droppedEventsCount: Count,
  status: z.strictObject({ code: z.number().int().min(0).max(2), message: z.string().optional() }),
  links: z.array(Link),
  droppedLinksCount: Count,
  flags: Count,
});

const Request = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes: Attributes, droppedAttributesCount: Count }),
      scopeSpans: z.array(z.strictObject({ scope: z.strictObject({ name: z.string() }), spans: z.array(Span).min(1) })),
    }),
  ),
});

/** A span, with the name of the service that exported it. */
export type CollectedSpan = z.output<typeof Span> & { readonly service: unknown };

export type Collector = {
  /** The value for `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  /** The bodies of all requests, as text. */
  readonly bodies: readonly string[];
  readonly headers: readonly NodeJS.Dict<string | string[]>[];
  /** Returns all spans so far. Throws if a request does not have the format. */
  readonly spans: () => readonly CollectedSpan[];
  /** Returns the spans of a trace so far. */
  readonly trace: (traceId: string) => readonly CollectedSpan[];
  readonly close: () => Promise<void>;
};

/** Starts a collector of traces by OTLP over HTTP. */
export const startCollector = async (): Promise<Collector> => {
  const bodies: string[] = [];
  const headers: NodeJS.Dict<string | string[]>[] = [];
  const { url, close } = await startHttpServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const isTraces = request.method === 'POST' && request.url === '/v1/traces';
    if (isTraces) {
      bodies.push(body);
      headers.push(request.headers);
    }
    response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
  });
  const spans = (): CollectedSpan[] =>
    bodies.flatMap((body) =>
      Request.parse(JSON.parse(body)).resourceSpans.flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap((scope) =>
          scope.spans.map((span) => ({ ...span, service: resource.attributes['service.name'] })),
        ),
      ),
    );
  return { url, bodies, headers, spans, trace: (id) => spans().filter(({ traceId }) => traceId === id), close };
};

/** Returns the spans as lines, each below its parent: `  name`, ordered by start and name. */
export const toTree = (spans: readonly CollectedSpan[]): string[] => {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const linesOf = (parentId: string | undefined, depth: number): string[] =>
    spans
      .filter(({ parentSpanId }) =>
        parentId === undefined ? !known.has(parentSpanId ?? '') : parentSpanId === parentId,
      )
      .sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)) || a.name.localeCompare(b.name))
      .flatMap(({ spanId, name, service }) => [
        `${'  '.repeat(depth)}${String(service).replace('tributary-', '')}: ${name}`,
        ...linesOf(spanId, depth + 1),
      ]);
  return linesOf(undefined, 0);
};
