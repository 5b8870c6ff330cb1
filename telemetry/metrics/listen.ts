import { ERROR_CODES } from '../error-codes.ts';
import type { ProviderRefusalEvent, TelemetryEvent } from '../events.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Registry } from './registry.ts';

const toSeconds = (ms: number): number => ms / 1_000;

/** The methods that have a series of their own. Others count as `_OTHER`, as in OpenTelemetry's conventions. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

const REASONS = ['rate_limit', 'circuit_open', 'budget'] as const satisfies readonly ProviderRefusalEvent['reason'][];

/** Creates the series that count what a subgraph's provider and cache may do, at 0, so that the first events are an increase. */
export const startSeriesOf = (subgraph: string, { counter, histogram }: Registry): void => {
  for (const reason of REASONS) counter('tributary.provider.refusals').add(0, subgraph, reason);
  counter('tributary.provider.pauses').add(0, subgraph);
  histogram('tributary.cache.stale.age').recordMany(0, 0, subgraph);
};

/** Creates the series that count what happens with a message broker, at 0. */
export const startSeriesOfBroker = ({ counter }: Registry): void => {
  counter('tributary.broker.published').add(0);
  for (const direction of ['out', 'in']) counter('tributary.broker.failures').add(0, direction);
  counter('tributary.broker.lost').add(0);
};

/** Records the events of a process as metrics. Returns a function that ends it. */
export const recordEvents = (telemetry: Telemetry, { counter, histogram }: Registry): (() => void) => {
  const operationDuration = histogram('tributary.operation.duration');
  const operationErrors = counter('tributary.operation.errors');
  const operationFailures = counter('tributary.operation.failures');
  const operationStale = counter('tributary.operation.stale');
  const operationCalls = counter('tributary.operation.calls');
  const clientCalls = counter('tributary.client.calls');
  const clientOperations = counter('tributary.client.operations');
  const refusals = counter('tributary.request.refusals');
  // At 0 from the start, so that the first events are an increase, and before any code of a client or of an external subgraph,
  // so that none of those can take their places.
  for (const code of ERROR_CODES) {
    operationFailures.add(0, code);
    refusals.add(0, code);
  }
  const httpDuration = histogram('http.server.request.duration');
  const planDuration = histogram('tributary.plan.duration');
  const fetchDuration = histogram('tributary.fetch.duration');
  const providerDuration = histogram('tributary.provider.request.duration');
  const providerRetries = counter('tributary.provider.retries');
  const providerRefusals = counter('tributary.provider.refusals');
  const providerPauses = counter('tributary.provider.pauses');
  const providerWait = histogram('tributary.provider.wait');
  const cacheReads = counter('tributary.cache.reads');
  const staleAge = histogram('tributary.cache.stale.age');
  const invalidations = counter('tributary.cache.invalidations');
  const batchKeys = histogram('tributary.batch.keys');
  const webhookEvents = counter('tributary.webhook.events');
  const webhookRefusals = counter('tributary.webhook.refusals');
  const eventsLag = histogram('tributary.events.lag');
  const eventsParked = counter('tributary.events.parked');
  const inboxFailures = counter('tributary.inbox.failures');
  const pollRuns = counter('tributary.poll.runs');
  const pollChanges = counter('tributary.poll.changes');
  const brokerPublished = counter('tributary.broker.published');
  const brokerReceived = counter('tributary.broker.received');
  const brokerLag = histogram('tributary.broker.lag');
  const brokerFailures = counter('tributary.broker.failures');
  const brokerLost = counter('tributary.broker.lost');
  const subscriptionMessages = counter('tributary.subscription.messages');
  const subscriptionLag = histogram('tributary.subscription.lag');

  const on = (event: TelemetryEvent): void => {
    switch (event.type) {
      case 'operation': {
        const { operationName = '', kind = '', outcome, codes, stale, calls, client, durationMs } = event;
        operationDuration.record(toSeconds(durationMs), operationName, kind, outcome);
        for (const code of codes) {
          operationErrors.add(1, operationName, code);
          operationFailures.add(1, code);
        }
        if (stale > 0) operationStale.add(1, operationName);
        for (const [subgraph, count] of calls) {
          operationCalls.add(count, operationName, subgraph);
          clientCalls.add(count, client.name, subgraph);
        }
        clientOperations.add(1, client.name, outcome);
        return;
      }
      case 'refusal':
        refusals.add(1, event.code);
        return;
      case 'http.request': {
        const { method, status, route = '', durationMs } = event;
        httpDuration.record(toSeconds(durationMs), METHODS.has(method) ? method : '_OTHER', String(status), route);
        return;
      }
      case 'plan':
        planDuration.record(toSeconds(event.durationMs), event.isFailed ? 'error' : 'ok');
        return;
      case 'fetch':
        fetchDuration.record(toSeconds(event.durationMs), event.subgraph, event.errors > 0 ? 'error' : 'ok');
        return;
      case 'provider.request':
        providerDuration.record(toSeconds(event.durationMs), event.subgraph, event.operation, event.code ?? 'ok');
        return;
      case 'provider.retry':
        providerRetries.add(1, event.subgraph, event.operation);
        return;
      case 'provider.refusal':
        providerRefusals.add(1, event.subgraph, event.reason);
        return;
      case 'provider.pause':
        providerPauses.add(1, event.subgraph);
        return;
      case 'provider.permit':
        providerWait.record(toSeconds(event.waitedMs), event.subgraph);
        return;
      case 'cache.read': {
        const { subgraph, operation, hits, stale, misses, oldestMs } = event;
        // Also those at 0, so that all results of an operation are there once it has one.
        cacheReads.add(hits, subgraph, operation, 'hit');
        cacheReads.add(stale, subgraph, operation, 'stale');
        cacheReads.add(misses, subgraph, operation, 'miss');
        staleAge.recordMany(stale, toSeconds(oldestMs), subgraph);
        return;
      }
      case 'cache.invalidation':
        invalidations.add(event.tags, event.subgraph);
        return;
      case 'batch':
        batchKeys.record(event.keys, event.subgraph, event.operation);
        return;
      case 'webhook.delivery':
        webhookEvents.add(event.events - event.duplicates, event.provider, 'new');
        webhookEvents.add(event.duplicates, event.provider, 'duplicate');
        return;
      case 'webhook.refusal':
        webhookRefusals.add(1, event.provider, event.reason);
        return;
      case 'event.applied':
        eventsLag.record(toSeconds(event.lagMs), event.provider);
        return;
      case 'event.parked':
        eventsParked.add(1, event.provider);
        return;
      case 'inbox.failure':
        inboxFailures.add(1);
        return;
      case 'poll':
        pollRuns.add(1, event.provider, event.isFailed ? 'error' : 'ok');
        return;
      case 'poll.changes':
        pollChanges.add(event.changes, event.provider);
        return;
      case 'broker.published':
        brokerPublished.add(event.messages);
        for (const lagMs of event.lagsMs) brokerLag.record(toSeconds(lagMs));
        return;
      case 'broker.received':
        brokerReceived.add(event.events - event.duplicates, 'new');
        brokerReceived.add(event.duplicates, 'duplicate');
        brokerReceived.add(event.own, 'own');
        return;
      case 'broker.failure':
        brokerFailures.add(1, event.direction);
        return;
      case 'broker.lost':
        brokerLost.add(event.events);
        return;
      case 'subscription.event':
        subscriptionMessages.add(event.subscribers);
        if (event.lagMs !== undefined) subscriptionLag.record(toSeconds(event.lagMs));
    }
  };
  return telemetry.listen({ on });
};
