import { ExponentialBackoff, halfJitterGenerator, type IBackoff } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import { MAX_OPERATIONS } from '../../telemetry/max-operations.ts';
import type { BreakerState } from '../../telemetry/state.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { isUpstreamError, UpstreamError } from '../errors.ts';
import type { Middleware, ProviderRequest, ProviderResponse, ResponseType } from './chain.ts';
import { onClose, streamOf } from './response.ts';

/** Consecutive failures after which a circuit opens. */
const MAX_FAILURES = 5;

/** How long a circuit first stays open, in milliseconds. Grows to ten times as long while probes fail. */
const BREAK_MS = 500;

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly until: number; readonly backoff: IBackoff<unknown> }
  /** A probe is in flight; `decided` resolves when it ends. */
  | { readonly kind: 'half_open'; readonly decided: PromiseWithResolvers<void>; readonly backoff: IBackoff<unknown> };

type Circuit = {
  readonly operation: string;
  failures: number;
  state: State;
  /** Whether it has ever opened. */
  hasOpened: boolean;
  lastFailure?: unknown;
};

/** The circuit breakers of one credential, by operation. */
export type Circuits = {
  readonly of: (operation: string) => Circuit;
  /** Returns the states of those that have ever opened. */
  readonly states: () => BreakerState[];
};

export const createCircuits = (): Circuits => {
  const circuits = new LRUCache<string, Circuit>({ max: MAX_OPERATIONS });
  return {
    of: (operation) => {
      let circuit = circuits.get(operation);
      if (!circuit) {
        circuit = { operation, failures: 0, state: { kind: 'closed' }, hasOpened: false };
        circuits.set(operation, circuit);
      }
      return circuit;
    },
    states: () =>
      [...circuits.values()]
        .filter(({ hasOpened }) => hasOpened)
        .map(({ operation, state: { kind } }) => ({ operation, state: kind })),
  };
};

/**
 * A circuit breaker for each operation. After 5 consecutive failures, requests fail immediately with UPSTREAM_UNAVAILABLE,
 * except for an occasional probe.
 *
 * Rejections, 429s and cancelled requests do not count: they say nothing about the provider's health. A stream counts once it
 * is closed; as a probe, once it begins.
 */
export const withBreaker = (
  subgraph: string,
  { emit }: Telemetry,
  circuits: Circuits = createCircuits(),
): Middleware => {
  const backoffs = new ExponentialBackoff({
    initialDelay: BREAK_MS,
    maxDelay: BREAK_MS * 10,
    generator: halfJitterGenerator,
  });

  const open = (circuit: Circuit, backoff: IBackoff<unknown>): void => {
    circuit.hasOpened = true;
    circuit.state = { kind: 'open', until: monotonicNow() + backoff.duration, backoff };
  };

  const close = (circuit: Circuit): void => {
    circuit.failures = 0;
    circuit.lastFailure = undefined;
    circuit.state = { kind: 'closed' };
  };

  const circuitOpenError = (operation: string, { lastFailure }: Circuit) =>
    new UpstreamError('UPSTREAM_UNAVAILABLE', subgraph, `${operation} failed too often; its circuit breaker is open`, {
      operation,
      mayHaveArrived: false,
      isRetryable: false,
      cause: lastFailure,
    });

  /** Counts the outcome of a request: its error, or `null` if it succeeded. */
  const count = (circuit: Circuit, outcome: unknown, signal: AbortSignal | undefined): void => {
    if (circuit.state.kind !== 'closed') return;
    if (outcome === null) circuit.failures = 0;
    else if (isFailure(outcome) && !signal?.aborted) {
      circuit.failures += 1;
      circuit.lastFailure = outcome;
      if (circuit.failures >= MAX_FAILURES) open(circuit, backoffs.next());
    }
  };

  return (next) => {
    const probe = async (
      circuit: Circuit,
      backoff: IBackoff<unknown>,
      request: ProviderRequest<ResponseType>,
    ): Promise<ProviderResponse<ResponseType>> => {
      const decided = Promise.withResolvers<void>();
      circuit.state = { kind: 'half_open', decided, backoff };
      try {
        const response = await next(request);
        close(circuit);
        return response;
      } catch (error) {
        // A cancelled probe has not shown that the provider recovered, so it counts as a failure.
        if (isFailure(error)) {
          circuit.lastFailure = error;
          open(circuit, backoff.next(undefined));
        } else if (isUpstreamError(error, 'BUDGET_EXCEEDED')) {
          // Nothing was sent, so the next request is the probe.
          circuit.state = { kind: 'open', until: monotonicNow(), backoff };
        } else close(circuit);
        throw error;
      } finally {
        decided.resolve();
      }
    };

    return async (request) => {
      const { operation, signal, batch, requestStats } = request;
      const circuit = circuits.of(operation);
      if (circuit.state.kind === 'half_open') await waitForProbe(circuit.state.decided.promise);
      const { state } = circuit;
      if (state.kind === 'half_open' || (state.kind === 'open' && monotonicNow() < state.until)) {
        emit({ type: 'provider.refusal', subgraph, operation, batch, reason: 'circuit_open' }, requestStats);
        throw circuitOpenError(operation, circuit);
      }
      if (state.kind === 'open') return probe(circuit, state.backoff, request);
      try {
        const response = await next(request);
        const stream = streamOf(response);
        if (stream) onClose(stream, (error) => count(circuit, error && failureOfStream(error), signal));
        else count(circuit, null, signal);
        return response;
      } catch (error) {
        count(circuit, error, signal);
        throw error;
      }
    };
  };
};

/** How long a request waits for the outcome of another request's probe, in milliseconds. */
const MAX_PROBE_WAIT_MS = 500;

const waitForProbe = async (decided: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, MAX_PROBE_WAIT_MS);
  });
  await Promise.race([decided, timeout]);
  clearTimeout(timer);
};

/** The provider's failure behind a stream's error; undefined if the stream was cancelled, e.g. because nobody read it. */
const failureOfStream = (error: Error): unknown => {
  const failure = isUpstreamError(error, 'UPSTREAM_OUTCOME_UNKNOWN') ? error.details.cause : error;
  return isUpstreamError(failure, 'UPSTREAM_CANCELLED') ? undefined : failure;
};

const isFailure = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_UNAVAILABLE') ||
  isUpstreamError(error, 'UPSTREAM_TIMEOUT') ||
  isUpstreamError(error, 'UPSTREAM_CANCELLED');
