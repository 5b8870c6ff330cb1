import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import type { SamplerName } from './config.ts';
import type { TraceParent } from './trace-context.ts';

/** Creates one of OpenTelemetry's samplers. `ratio` is the share of traces that a sampler by ratio exports, by their ids. */
export const createSampler = (
  name: SamplerName,
  ratio: number,
): ((traceId: string, parent: TraceParent | undefined) => boolean) => {
  const [, isParentBased, base] = /^(parentbased_)?(.+)$/.exec(name) ?? [];
  const byId = new TraceIdRatioBasedSampler(base === 'always_on' ? 1 : base === 'always_off' ? 0 : ratio);
  const decide = (traceId: string): boolean =>
    byId.shouldSample(undefined, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
  if (!isParentBased) return decide;
  return (traceId, parent) => parent?.isSampled ?? decide(traceId);
};

/** Maximum number of traces that are exported for an error or their duration alone: a second, and at once after a pause. */
export const MAX_NOTABLE = { perSecond: 10, atOnce: 100 };
