import type { SubgraphProviderState } from '../state.ts';
import { type Figures, latencyOf, RECENT_STEPS, sumOf, type Table, waitOf } from './figures.ts';
import type { ProviderHealth } from './format.ts';
import { FLOW, SUBGRAPH } from './recorder.ts';

/*
 * Defines the health of a provider, for the status page and for readiness alike: by the requests of the last 30 seconds, because
 * nobody calls a provider only to find out. The same holds for a subgraph in another process, by the gateway's fetches from it.
 */

/** Failures without a success after which a provider is down. As many open a circuit breaker. */
const DOWN_FAILURES = 5;

/** The part of the requests that may fail before a provider is failing. */
const MAX_FAILED = 0.1;

/** The median latency from which a provider is slow, in milliseconds. */
const SLOW_MS = 1_000;

/** The 99th percentile of the waits for permits from which requests wait too long, in milliseconds. */
const MAX_WAIT_MS = 1_000;

type Assessment = { readonly health: ProviderHealth; readonly reason: string };

/**
 * Returns the health of a provider and its reason in words. `state` is undefined if the provider is called by another process.
 *
 * - `down`: at least five requests failed, or were refused by a circuit breaker, and none succeeded.
 * - `paused`: the provider rejected requests under a rate limit, and the pause has not ended.
 * - `quota_exhausted`: requests were refused because the quota would not have been free before their deadlines.
 * - `failing`: a tenth of the requests failed or more, or a circuit breaker is not closed.
 * - `waiting`: requests wait for a quota that is used up, or one in a hundred waited more than a second for its permit.
 * - `slow`: half of the requests took a second or more.
 * - `idle`: no requests in the last five minutes.
 */
export const assess = (figures: Figures, state: SubgraphProviderState | undefined): Assessment => {
  const { others } = figures;
  const flow = flowOf(figures);
  const succeeded = sumOf(flow, FLOW.succeeded, RECENT_STEPS);
  const failed = sumOf(flow, FLOW.failed, RECENT_STEPS);
  const stopped = sumOf(others, SUBGRAPH.refusedByBreaker, RECENT_STEPS);
  if (succeeded === 0 && failed + stopped >= DOWN_FAILURES) {
    return { health: 'down', reason: `${describeFailures(failed, stopped)} in the last 30 seconds, none succeeded` };
  }
  const pausedMs = Math.max(0, ...(state?.limits ?? []).map((limit) => limit.pausedMs));
  if (pausedMs > 0) {
    return { health: 'paused', reason: `It rejected requests under a rate limit; paused for ${seconds(pausedMs)}` };
  }
  const overQuota = sumOf(others, SUBGRAPH.refusedByRateLimit, RECENT_STEPS);
  if (overQuota > 0) {
    return { health: 'quota_exhausted', reason: `${count(overQuota)} not sent for the quota in the last 30 seconds` };
  }
  const all = succeeded + failed + stopped;
  if (failed + stopped > 0 && (failed + stopped) / all >= MAX_FAILED) {
    return { health: 'failing', reason: `${describeFailures(failed, stopped)} of ${all} in the last 30 seconds` };
  }
  const open = (state?.breakers ?? []).filter((breaker) => breaker.state !== 'closed');
  if (open.length > 0) {
    return {
      health: 'failing',
      reason: `${open.length === 1 ? 'A circuit breaker is' : `${open.length} circuit breakers are`} not closed`,
    };
  }
  const waiting = describeWaiting(figures, state);
  if (waiting) return { health: 'waiting', reason: waiting };
  const medianMs = latencyOf(flow, 0.5, RECENT_STEPS);
  if (medianMs !== null && medianMs >= SLOW_MS) {
    return { health: 'slow', reason: `Half of the requests took ${seconds(medianMs)} or more in the last 30 seconds` };
  }
  if (sumOf(flow, FLOW.count) === 0) return { health: 'idle', reason: 'No requests in the last five minutes' };
  return {
    health: 'ok',
    reason: all > 0 ? `${count(succeeded)} succeeded in the last 30 seconds` : 'No problem in the last five minutes',
  };
};

/** Says why requests wait; undefined if they do not, or not for long. */
const describeWaiting = (figures: Figures, state: SubgraphProviderState | undefined): string | undefined => {
  const usedUp = state?.limits.find(({ used, limit }) => used >= limit);
  if (state && usedUp && state.queued > 0) {
    return `Quota ${usedUp.name} is used up, ${count(state.queued)} waiting for it`;
  }
  const longMs = waitOf(figures, 0.99, RECENT_STEPS);
  if (longMs === null || longMs <= MAX_WAIT_MS) return undefined;
  return `Requests waited up to ${seconds(longMs)} (p99) for their permits in the last 30 seconds`;
};

/** Requests to the provider where this process sends them, else the fetches from its subgraph. */
export const flowOf = ({ requests, fetches }: Pick<Figures, 'requests' | 'fetches'>): Table =>
  sumOf(requests, FLOW.count) > 0 ? requests : fetches;

const describeFailures = (failed: number, stopped: number): string =>
  [
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
    ...(stopped > 0 ? [`${count(stopped)} not sent for an open circuit breaker`] : []),
  ].join(' and ');

const count = (requests: number): string => `${requests} ${requests === 1 ? 'request' : 'requests'}`;

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
