import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  halfJitterGenerator,
  handleType,
} from 'cockatiel';
import type { Link } from './chain.ts';
import { isUpstreamError, UpstreamError } from './errors.ts';

export type BreakerOptions = {
  /** Failures in a row after which an endpoint is left alone. Default 5. */
  readonly failures?: number;
  /** How long it is left alone at first, in milliseconds; up to ten times as long while probes fail. Default 500. */
  readonly breakMs?: number;
};

/** A failure that says something about the provider's health. */
class Outage extends Error {
  override readonly name = 'Outage';
}

/**
 * Leaves an endpoint alone that has failed several times in a row: calls fail at once with UPSTREAM_UNAVAILABLE, and
 * from time to time one of them is let through to see whether it is back.
 *
 * A refusal, a 429 and a caller who left say nothing about the provider's health.
 */
export const withBreaker = (upstream: string, { failures = 5, breakMs = 500 }: BreakerOptions = {}): Link => {
  const breakers = new Map<string, CircuitBreakerPolicy>();

  const breakerOf = (operation: string): CircuitBreakerPolicy => {
    let breaker = breakers.get(operation);
    if (!breaker) {
      breaker = circuitBreaker(handleType(Outage), {
        breaker: new ConsecutiveBreaker(failures),
        halfOpenAfter: new ExponentialBackoff({
          initialDelay: breakMs,
          maxDelay: breakMs * 10,
          generator: halfJitterGenerator,
        }),
      });
      breakers.set(operation, breaker);
    }
    return breaker;
  };

  const leftAlone = (operation: string) =>
    new UpstreamError('UPSTREAM_UNAVAILABLE', upstream, `${operation} has failed too often and is left alone`, {
      operation,
      mayHaveArrived: false,
      isFutile: true,
    });

  return (next) => async (call) => {
    const { operation, signal } = call;
    const breaker = breakerOf(operation);
    if (breaker.state === CircuitState.HalfOpen) {
      await probeOf(breaker);
      // The library would keep it waiting for the probe, however long that takes.
      if ((breaker.state as CircuitState) === CircuitState.HalfOpen) throw leftAlone(operation);
    }
    try {
      return await breaker.execute(async () => {
        try {
          return await next(call);
        } catch (error) {
          const isProbe = breaker.state === CircuitState.HalfOpen;
          if (isFailure(error) && (isProbe || !signal?.aborted)) throw new Outage(undefined, { cause: error });
          throw error;
        }
      });
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw leftAlone(operation);
      throw error instanceof Outage ? error.cause : error;
    }
  };
};

/** How long a call waits for the outcome of another one's probe, in milliseconds. */
const PROBE_PATIENCE_MS = 500;

const probeOf = (breaker: CircuitBreakerPolicy): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      listener.dispose();
      resolve();
    };
    const timer = setTimeout(done, PROBE_PATIENCE_MS);
    const listener = breaker.onStateChange(done);
  });

// A probe that its caller gave up has shown nothing, so it counts with the failures; see the use.
const isFailure = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_UNAVAILABLE') ||
  isUpstreamError(error, 'UPSTREAM_TIMEOUT') ||
  isUpstreamError(error, 'UPSTREAM_CANCELLED');
