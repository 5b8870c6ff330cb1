import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { startHttpServer } from './http-server.ts';

const Attributes = z
  .array(z.object({ key: z.string(), value: z.object({ stringValue: z.string() }) }))
  .transform((all) => Object.fromEntries(all.map(({ key, value }) => [key, value.stringValue])));
const Point = z.object({ attributes: Attributes, startTimeUnixNano: z.string(), timeUnixNano: z.string() });
const NumberPoints = z.array(Point.extend({ asDouble: z.number() }));
const HistogramPoints = z.array(
  Point.extend({
    count: z.number(),
    sum: z.number(),
    bucketCounts: z.array(z.number()),
    explicitBounds: z.array(z.number()),
  }),
);
const Metric = z.object({
  name: z.string(),
  unit: z.string(),
  sum: z
    .object({ dataPoints: NumberPoints, isMonotonic: z.literal(true), aggregationTemporality: z.literal(2) })
    .optional(),
  gauge: z.object({ dataPoints: NumberPoints }).optional(),
  histogram: z.object({ dataPoints: HistogramPoints, aggregationTemporality: z.literal(2) }).optional(),
});
/** What a collector accepts: ExportMetricsServiceRequest of OTLP 1, in JSON. */
const Export = z.object({
  resourceMetrics: z.tuple([
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeMetrics: z.tuple([z.object({ scope: z.object({ name: z.string() }), metrics: z.array(Metric) })]),
    }),
  ]),
});

type Received = {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly resource: Readonly<Record<string, string>>;
  readonly metrics: ReadonlyMap<string, z.output<typeof Metric>>;
};

/** Starts a collector of metrics until the test ends. It ignores traces. `before` may respond itself, or not at all, and then returns true. */
export const startCollector = async (before: (response: ServerResponse) => boolean = () => false) => {
  const received: Received[] = [];
  const { url, close } = await startHttpServer(async (request, response) => {
    if (request.url === '/v1/traces') {
      response.setHeader('content-type', 'application/json').end('{}');
      return;
    }
    const body = Export.parse(await json(request));
    const [{ resource, scopeMetrics }] = body.resourceMetrics;
    const [{ metrics }] = scopeMetrics;
    received.push({
      path: request.url,
      headers: request.headers,
      resource: resource.attributes,
      metrics: new Map(metrics.map((metric) => [metric.name, metric])),
    });
    if (!before(response)) response.setHeader('content-type', 'application/json').end('{}');
  });
  onTestFinished(close);
  return { url, received };
};
