import { ExponentialBackoff, halfJitterGenerator, type IBackoff } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import { isUpstreamError, UpstreamError } from '../errors.ts';
import { MAX_OPERATIONS, type Middleware, type ProviderRequest, type ProviderResponse } from './chain.ts';

export type BreakerOptions = {
  /** Failures in a row after which an endpoint is left alone. Default 5. */
  readonly failures?: number;
  /** How long it is left alone at first, in milliseconds; up to ten times as long while probes fail. Default 500. */
  readonly breakMs?: number;
  readonly now?: () => number;
};

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly until: number; readonly backoff: IBackoff<unknown> }
  /** One call is under way that shows whether the endpoint is back; `decided` is when it has. */
  | { readonly kind: 'half open'; readonly decided: PromiseWithResolvers<void>; readonly backoff: IBackoff<unknown> };

type Circuit = { failures: number; state: State; lastFailure?: unknown };

/**
 * Leaves an endpoint alone that has failed several times in a row: calls fail at once with UPSTREAM_UNAVAILABLE, and
 * from time to time one of them is let through to see whether it is back.
 *
 * A refusal, a 429 and a caller who left say nothing about the provider's health.
 */
export const withBreaker = (
  upstream: string,
  { failures = 5, breakMs = 500, now = monotonicNow }: BreakerOptions = {},
): Middleware => {
  const circuits = new LRUCache<string, Circuit>({ max: MAX_OPERATIONS });
  const backoffs = new ExponentialBackoff({
    initialDelay: breakMs,
    maxDelay: breakMs * 10,
    generator: halfJitterGenerator,
  });

  const circuitOf = (operation: string): Circuit => {
    let circuit = circuits.get(operation);
    if (!circuit) {
      circuit = { failures: 0, state: { kind: 'closed' } };
      circuits.set(operation, circuit);
    }
    return circuit;
  };

  const open = (circuit: Circuit, backoff: IBackoff<unknown>): void => {
    circuit.state = { kind: 'open', until: now() + backoff.duration, backoff };
  };

  const close = (circuit: Circuit): void => {
    circuit.failures = 0;
    circuit.lastFailure = undefined;
    circuit.state = { kind: 'closed' };
  };

  const openError = (operation: string, { lastFailure }: Circuit) =>
    new UpstreamError('UPSTREAM_UNAVAILABLE', upstream, `${operation} has failed too often and is left alone`, {
      operation,
      mayHaveArrived: false,
      isFutile: true,
      cause: lastFailure,
    });

  return (next) => {
    const probe = async (
      circuit: Circuit,
      backoff: IBackoff<unknown>,
      call: ProviderRequest,
    ): Promise<ProviderResponse> => {
      const decided = Promise.withResolvers<void>();
      circuit.state = { kind: 'half open', decided, backoff };
      try {
        const response = await next(call);
        close(circuit);
        return response;
      } catch (error) {
        // A probe that its caller gave up has shown nothing, so it counts with the failures.
        if (isFailure(error)) {
          circuit.lastFailure = error;
          open(circuit, backoff.next(undefined));
        } else close(circuit);
        throw error;
      } finally {
        decided.resolve();
      }
    };

    return async (call) => {
      const { operation, signal } = call;
      const circuit = circuitOf(operation);
      if (circuit.state.kind === 'half open') await outcomeOf(circuit.state.decided.promise);
      const { state } = circuit;
      if (state.kind === 'half open') throw openError(operation, circuit);
      if (state.kind === 'open') {
        if (now() < state.until) throw openError(operation, circuit);
        return probe(circuit, state.backoff, call);
      }
      try {
        const response = await next(call);
        if (circuit.state.kind === 'closed') circuit.failures = 0;
        return response;
      } catch (error) {
        if (circuit.state.kind === 'closed' && isFailure(error) && !signal?.aborted) {
          circuit.failures += 1;
          circuit.lastFailure = error;
          if (circuit.failures >= failures) open(circuit, backoffs.next());
        }
        throw error;
      }
    };
  };
};

/** How long a call waits for the outcome of another one's probe, in milliseconds. */
const PROBE_PATIENCE_MS = 500;

const outcomeOf = async (decided: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PROBE_PATIENCE_MS);
  });
  await Promise.race([decided, patience]);
  clearTimeout(timer);
};

const isFailure = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_UNAVAILABLE') ||
  isUpstreamError(error, 'UPSTREAM_TIMEOUT') ||
  isUpstreamError(error, 'UPSTREAM_CANCELLED');
