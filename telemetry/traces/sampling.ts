import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import { monotonicNow } from '../../runtime/clock.ts';
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

/** Traces that are exported for an error or their duration alone: at most this many a second, and as many at once after a pause. */
export const MAX_NOTABLE_PER_S = 10;
export const MAX_NOTABLE_AT_ONCE = 100;

/** Creates a function that returns whether another trace may be exported for an error or its duration alone. */
export const createNotableLimit = (): (() => boolean) => {
  let left = MAX_NOTABLE_AT_ONCE;
  let filledAt = monotonicNow();
  return () => {
    const now = monotonicNow();
    left = Math.min(MAX_NOTABLE_AT_ONCE, left + ((now - filledAt) / 1000) * MAX_NOTABLE_PER_S);
    filledAt = now;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
};
